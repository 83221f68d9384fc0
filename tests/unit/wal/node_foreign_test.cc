// What lies in wal/ beside the node's own files, and what a start makes of it.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "unit/wal/node_tree.h"
#include "wal/finding.h"

namespace wal_exporter::wal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string file_with(std::int64_t min_ns, std::int64_t max_ns, std::uint64_t number) {
  std::string payload;
  append_number(payload, number * 1000, 8);
  append_number(payload, static_cast<std::uint64_t>(min_ns), 8);
  append_number(payload, static_cast<std::uint64_t>(max_ns), 8);
  append_number(payload, number, 8);
  return sealed(payload);
}

class Foreign : public Node {
 protected:
  void put_named(const std::string& name, std::string_view content) { write_all(node_ / "wal" / name, content); }
  void cover(std::uint64_t last) { write_all(snapshot(1), snapshot_json(1, last)); }
  // "NAME reason", with "newest" behind it where the sample says so.
  std::vector<std::string> findings(Integrity integrity = Integrity::header) {
    const auto sample = look_once(integrity);
    std::vector<std::string> out;
    for (const auto* files : {&sample->invalid, &sample->unknown}) {
      for (const InvalidFile& file : *files) {
        std::string line = file.file + " ";
        line += file.reason == InvalidReason::doubled ? "doubled" : to_string(file.reason);
        out.push_back(line + (file.newest ? " newest" : ""));
      }
    }
    EXPECT_TRUE(look(*open(integrity))->notes.empty());
    return out;
  }
};

TEST_F(Foreign, ExtremeTimesAreNamedAndTheFileStaysPending) {
  put_range(11, 14);
  write_all(wal(12), file_with(INT64_MAX, INT64_MIN, 12));
  EXPECT_THAT(findings(), ElementsAre("00000000012.wal times"));
  const auto sample = look_once();
  EXPECT_EQ(sample->pending.files, 4U);
  EXPECT_TRUE(sample->periods[1].void_times);
  EXPECT_EQ(sample->periods[1].max_time, std::nullopt);
  EXPECT_TRUE(sample->periods[1].persisted.has_value());
  EXPECT_FALSE(sample->newest_file_damaged);
}

TEST_F(Foreign, ADamagedFileWithReversedTimesIsDamaged) {
  put_range(1, 3);
  std::string content = file_with(2, 1, 2);
  content[9] = static_cast<char>(content[9] ^ 1);
  write_all(wal(2), content);
  EXPECT_THAT(findings(), ElementsAre("00000000002.wal checksum"));
}

TEST_F(Foreign, ANewerMagicIsNoDamageWhateverItsChecksum) {
  put_range(1, 5);
  for (const std::uint64_t number : {4, 5}) {
    std::string content = wal_file(number);
    content[7] = '2';
    write_all(wal(number), content);
  }
  EXPECT_THAT(findings(), ElementsAre("00000000004.wal newer", "00000000005.wal newer newest"));
  const auto sample = look_once();
  EXPECT_EQ(sample->pending.files, 5U);
  EXPECT_FALSE(sample->newest_file_damaged);
}

TEST_F(Foreign, JsonUnderTheSameMagicIsOlder) {
  put_range(1, 3);
  write_all(wal(2), sealed(R"({"persist_timestamp_ms":1748,"min_timestamp_ns":1,"ops":[]})"));
  EXPECT_THAT(findings(), ElementsAre("00000000002.wal older"));
}

TEST_F(Foreign, ACopyUnderAnyNameThatTheServerReadsHoldsADoubledNumber) {
  put_range(1, 7);
  for (const std::string name : {"00000000007.wal.bak", "00000000006.wal~", "0000000005.wal", "000000000004.wal",
                                 "copy-of-00000000003.wal", "x"}) {
    const std::uint64_t number = name == "x" ? 7 : std::stoull(name.substr(name.find('0')));
    put_named(name, wal_file(number));
    EXPECT_THAT(findings(), ElementsAre(name + " doubled"));
    EXPECT_THAT(findings(Integrity::off), ElementsAre(name + " doubled"));
    std::filesystem::remove(node_ / "wal" / name);
  }
}

TEST_F(Foreign, WhatSortsBeforeTheLastSnapshottedFileIsNeverRead) {
  put_range(1, 9);
  cover(7);
  put_named("00000000006.wal.bak", wal_file(6));
  put_named(".00000000008.wal.swp", wal_file(8));
  EXPECT_THAT(findings(), IsEmpty());
  put_named("00000000007.wal.bak", wal_file(7));
  EXPECT_THAT(findings(), ElementsAre("00000000007.wal.bak doubled"));
}

TEST_F(Foreign, ARenamedFileIsReadInItsNewPlace) {
  put_range(1, 6);
  std::filesystem::rename(wal(3), node_ / "wal" / "old-3.wal");
  EXPECT_THAT(findings(), ElementsAre("old-3.wal doubled"));
  std::filesystem::rename(node_ / "wal" / "old-3.wal", node_ / "wal" / "00000000002.wal.next");
  EXPECT_THAT(findings(), ElementsAre("00000000002.wal.next foreign")) << "2, 3, 4: the numbers grow";
}

TEST_F(Foreign, ANumberThatIsNotTheNamesIsJudgedByTheOrderToo) {
  put_range(1, 6);
  write_all(wal(4), wal_file(3));
  EXPECT_THAT(findings(), ElementsAre("00000000004.wal doubled")) << "3, 3";
  write_all(wal(4), wal_file(9));
  EXPECT_THAT(findings(), ElementsAre("00000000004.wal doubled")) << "9, 5";
  put(4);
  write_all(wal(6), wal_file(9));
  EXPECT_THAT(findings(), ElementsAre("00000000006.wal foreign"));
  std::filesystem::remove(wal(6));
  write_all(wal(8), wal_file(7));
  EXPECT_THAT(findings(), ElementsAre("00000000008.wal foreign newest")) << "the server writes 8 next";
  EXPECT_TRUE(look_once()->newest_file_damaged);
}

TEST_F(Foreign, AWalFileAheadOfAllIsForeignAndTextIsStray) {
  put_range(1, 3);
  put_named("restored.wal", wal_file(12));
  put_named("README.txt", "do not touch");
  put_named("z-empty", "");
  EXPECT_THAT(findings(), ElementsAre("restored.wal foreign", "README.txt stray", "z-empty stray"));
}

TEST_F(Foreign, ADamagedCopyIsSkippedAsTextIs) {
  put_range(1, 3);
  std::string content = wal_file(3);
  content.back() = static_cast<char>(content.back() ^ 1);
  put_named("00000000003.wal.old", content);
  EXPECT_THAT(findings(), ElementsAre("00000000003.wal.old stray"));
}

TEST_F(Foreign, ALinkThatTheServerFollowsAtItsStartIsNotCounted) {
  put_range(1, 4);
  cover(2);
  std::filesystem::create_symlink(wal(1), node_ / "wal" / "00000000004.wal.old");
  std::filesystem::create_symlink(wal(1), node_ / "wal" / "00000000001.old");
  const auto sample = look_once();
  EXPECT_EQ(sample->uncounted.folders, 1U) << "the other sorts before what is covered";
  EXPECT_THAT(sample->uncounted.first, HasSubstr("wal/00000000004.wal.old is a symbolic link"));
  EXPECT_THAT(sample->notes, ElementsAre("not counted: " + sample->uncounted.first));
}

TEST_F(Foreign, APipeAndAFolderInPlaceOfTheNextFileAreSaid) {
  put_range(8, 10);
  ASSERT_EQ(::mkfifo((node_ / "wal" / "queue").c_str(), 0600), 0);
  std::filesystem::create_directory(wal(11));
  const auto sample = look_once();
  EXPECT_EQ(sample->pending.files, 3U);
  EXPECT_THAT(sample->notes, ElementsAre(HasSubstr("00000000011.wal is a folder, in the place of a WAL file"),
                                         HasSubstr("neither a file nor a folder in wal/: queue")));
}

TEST_F(Foreign, AFolderIsANoteAndWhatIsBeingPutThereIsNothing) {
  put_range(1, 3);
  std::filesystem::create_directory(node_ / "wal" / "backup");
  put_named("00000000004.wal#1", wal_file(4));
  const auto sample = look_once();
  EXPECT_THAT(sample->notes, ElementsAre(HasSubstr("backup")));
  EXPECT_TRUE(sample->invalid.empty());
  EXPECT_TRUE(sample->unknown.empty());
}

TEST_F(Foreign, ADamagedFileBeforeACopyIsNotCountedInTheOrder) {
  put_range(1, 2);
  write_all(wal(3), "");
  set_modified(wal(3), kTestNow - std::chrono::hours(1));
  put_named("kept-00000000003.wal", wal_file(3));
  EXPECT_THAT(findings(), ElementsAre("00000000003.wal empty newest", "kept-00000000003.wal foreign"));
}

TEST_F(Foreign, AForeignFileIsReadOnceUntilItChangesAndForgottenWhenItGoes) {
  put_range(1, 3);
  put_named("copy", wal_file(3));
  const auto source = open();
  EXPECT_EQ(look(*source)->invalid.size(), 1U);
  const std::uint64_t opened = counter_->opened;
  EXPECT_EQ(look(*source)->invalid.size(), 1U);
  EXPECT_EQ(counter_->opened, opened);
  put_named("copy", "text");
  EXPECT_TRUE(look(*source)->invalid.empty());
  std::filesystem::remove(node_ / "wal" / "copy");
  EXPECT_TRUE(look(*source)->unknown.empty());
}

}  // namespace
}  // namespace wal_exporter::wal
