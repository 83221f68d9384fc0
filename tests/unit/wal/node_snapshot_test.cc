#include "wal/node_snapshot.h"

#include <limits>

#include "paths.h"
#include "unit/wal/node_tree.h"

namespace wal_exporter::wal {
namespace {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

std::string recorded() {
  return read_all(std::filesystem::path(tests::kFixtures) /
                  "influxdb3/after-snapshot/snapshots/18446744073709551614.info.json");
}

std::string why_refused(std::string_view content, std::uint64_t sequence) {
  const auto snapshot = decode_snapshot(content, sequence);
  if (snapshot) return "believed";
  const bool misnamed = snapshot.error().message.find("its name says") != std::string::npos;
  EXPECT_EQ(snapshot.error().kind, misnamed ? ErrorKind::invalid : ErrorKind::corrupt);
  return snapshot.error().message;
}

TEST(NodeSnapshotName, IsTheNumberTakenFromTheLargestOne) {
  EXPECT_EQ(parse_snapshot_name("18446744073709551614.info.json"), 1U);
  EXPECT_EQ(parse_snapshot_name("18446744073709551615.info.json"), 0U);
  EXPECT_EQ(parse_snapshot_name("00000000000000000000.info.json"), kMost);
  EXPECT_EQ(snapshot_name(1), "18446744073709551614.info.json");
  EXPECT_EQ(snapshot_name(kMost - 5), "00000000000000000005.info.json");
}

TEST(NodeSnapshotName, AnythingElseIsNone) {
  for (const std::string_view name :
       {"18446744073709551616.info.json", "1844674407370955161.info.json", "018446744073709551614.info.json",
        "18446744073709551614.info.json.tmp", "18446744073709551614.info.jsom", "-8446744073709551614.info.json",
        "1844674407370955161x.info.json", ".info.json", "", "18446744073709551614.info.json#1"}) {
    EXPECT_EQ(parse_snapshot_name(name), std::nullopt) << name;
  }
}

TEST(NodeSnapshot, TheRecordedOneGivesItsNumbers) {
  const auto snapshot = decode_snapshot(recorded(), 1);
  ASSERT_TRUE(snapshot.has_value()) << snapshot.error().message;
  EXPECT_EQ(*snapshot, (Snapshot{1, 29, {}}));
}

TEST(NodeSnapshot, HalfOfItIsNeverBelieved) {
  const std::string whole = recorded();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const std::string why = why_refused(std::string_view(whole).substr(0, size), 1);
    EXPECT_NE(why.find("JSON"), std::string::npos) << size << ": " << why;
  }
}

TEST(NodeSnapshot, ANumberUnlikeTheNameIsRefused) {
  EXPECT_EQ(why_refused(recorded(), 2), "its snapshot_sequence_number is 1, its name says 2");
}

TEST(NodeSnapshot, NumbersUpToTheLargestAreRead) {
  const auto snapshot = decode_snapshot(snapshot_json(kMost, kMost), kMost);
  ASSERT_TRUE(snapshot.has_value()) << snapshot.error().message;
  EXPECT_EQ(snapshot->sequence, kMost);
  EXPECT_EQ(snapshot->wal_file_sequence, kMost);
}

TEST(NodeSnapshot, WhatIsNoUnsigned64BitNumberIsRefused) {
  const auto with = [](const std::string& value) {
    return R"({"snapshot_sequence_number":1,"wal_file_sequence_number":)" + value + "}";
  };
  EXPECT_EQ(why_refused(with("18446744073709551616"), 1), "wal_file_sequence_number is not a 64 bit whole number");
  EXPECT_EQ(why_refused(with("29.0"), 1), "wal_file_sequence_number is not a 64 bit whole number");
  EXPECT_EQ(why_refused(with("-1"), 1), "wal_file_sequence_number is a negative number");
  EXPECT_EQ(why_refused(with("\"29\""), 1), "wal_file_sequence_number is a text");
  EXPECT_EQ(why_refused(with("null"), 1), "wal_file_sequence_number is null");
  EXPECT_EQ(why_refused(with("true"), 1), "wal_file_sequence_number is a truth value");
  EXPECT_EQ(why_refused(with("{}"), 1), "wal_file_sequence_number is an object");
  EXPECT_EQ(why_refused(with("[29]"), 1), "wal_file_sequence_number is a list");
  EXPECT_EQ(why_refused(R"({"snapshot_sequence_number":1})", 1), "wal_file_sequence_number is missing");
  EXPECT_EQ(why_refused(with("29,\"wal_file_sequence_number\":30"), 1), "wal_file_sequence_number is there twice");
  EXPECT_EQ(why_refused("[1]", 1), "it is no JSON object");
  EXPECT_EQ(why_refused("29", 1), "it is no JSON object");
}

TEST(NodeSnapshot, TheSameKeysDeeperDownAreNotItsOwn) {
  const auto snapshot = decode_snapshot(
      R"({"databases":[{"wal_file_sequence_number":7,"snapshot_sequence_number":"x"}],"min_time":-5,"a":{"b":1.5},)"
      R"("snapshot_sequence_number":1,"wal_file_sequence_number":29})",
      1);
  ASSERT_TRUE(snapshot.has_value()) << snapshot.error().message;
  EXPECT_EQ(snapshot->wal_file_sequence, 29U);
}

TEST(NodeSnapshot, DepthCostsNoStack) {
  std::string deep = R"({"databases":)";
  deep.append(1'000'000, '[');
  EXPECT_NE(why_refused(deep, 1).find("not complete JSON"), std::string::npos);
}

TEST_F(Node, ASnapshotFileOfManyPiecesIsReadWhole) {
  std::string json = R"({"databases":[)";
  for (int i = 0; i < 20'000; ++i) json += R"({"path":"n1/dbs/1/0/2026-11-23/01-40/0000000029.parquet"},)";
  json += R"(0],"snapshot_sequence_number":2,"wal_file_sequence_number":29})";
  write_all(snapshot(2), json);
  set_modified(snapshot(2), kTestNow);
  const Fd folder(::open((node_ / "snapshots").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto read = read_snapshot(folder.get(), node_ / "snapshots", 2, {});
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->wal_file_sequence, 29U);
  EXPECT_EQ(read->written, kTestNow);
}

// As InfluxDB writes it, `bytes` long: the fields in front of a list without end.
class Large : public Node {
 protected:
  void write_large(std::uint64_t sequence, std::uint64_t last_wal_file, std::uint64_t bytes,
                   std::string_view end = "\n  ],\n  \"removed_files\": []\n}") {
    const std::string head = "{\n  \"version\": \"1\",\n  \"snapshot_sequence_number\": " + std::to_string(sequence) +
                             ",\n  \"wal_file_sequence_number\": " + std::to_string(last_wal_file) +
                             ",\n  \"databases\": [\n";
    write_all(snapshot(sequence), head);
    std::filesystem::resize_file(snapshot(sequence), bytes - end.size());
    std::ofstream(snapshot(sequence), std::ios::binary | std::ios::app) << end;
  }
};

TEST_F(Large, OfTwoGibibytesTheHeadSaysWhatItCovers) {
  put_range(601, 1000);
  write_all(snapshot(6), snapshot_json(6, 700));
  write_large(7, 900, std::uint64_t{2} << 30);
  const auto source = open();
  const auto begin = std::chrono::steady_clock::now();
  const auto sample = look(*source);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  EXPECT_EQ(sample->pending.files, 100U);
  EXPECT_EQ(sample->sequence_gaps, 0U);
  EXPECT_TRUE(sample->notes.empty());
}

TEST_F(Large, OneWithoutItsEndIsNotUsedAndReadOnceAlone) {
  put_range(1, 40);
  write_large(2, 30, 300 << 20, "\n      ]\n    }");  // the brace of something deeper
  write_large(1, 20, 1 << 20);
  const auto source = open();
  for (int i = 0; i < 3; ++i) {
    const auto sample = look(*source);
    EXPECT_EQ(sample->pending.files, 20U);
    ASSERT_EQ(sample->invalid.size(), 1U);
    EXPECT_EQ(sample->invalid[0].reason, InvalidReason::torn);
    EXPECT_NE(sample->invalid[0].detail.find("its end is missing"), std::string::npos) << sample->invalid[0].detail;
    EXPECT_EQ(counter_->opened, 20U + 2) << "the pending files, and each snapshot once";
  }
  write_large(2, 30, 300 << 20);
  EXPECT_EQ(look(*source)->pending.files, 10U);
}

TEST_F(Large, OneThatDoesNotSaySoonWhatItCoversIsNotUsedAndReadOnceAlone) {
  put_range(1, 3);
  std::string json = R"({"databases":[)" + std::string(kMostHeadBytes, ' ');
  json += R"(0],"snapshot_sequence_number":2,"wal_file_sequence_number":2})";
  write_all(snapshot(2), json);
  const auto source = open();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(look(*source)->pending.files, 3U);
  EXPECT_EQ(counter_->opened, 3U + 1);
}

TEST(NodeSnapshot, AHeadIsJudgedAsStrictlyAsAWhole) {
  const auto why = [](std::string_view head) {
    const auto snapshot = decode_snapshot_head(head, 1);
    return snapshot ? "believed" : snapshot.error().message;
  };
  const std::string good = R"({"snapshot_sequence_number":1,"wal_file_sequence_number":29,"databases":[)";
  EXPECT_EQ(why(good), "believed");
  EXPECT_EQ(why(good.substr(0, good.size() - 1)), "it is not complete JSON (at byte 73)");
  EXPECT_EQ(why(R"({"snapshot_sequence_number":1,"databases":[[)"), "it is not complete JSON (at byte 45)");
  EXPECT_EQ(
      why(R"({"snapshot_sequence_number":1,"wal_file_sequence_number":29,"wal_file_sequence_number":29,"databases":[)"),
      "wal_file_sequence_number is there twice");
  EXPECT_EQ(why(R"({"snapshot_sequence_number":1,"wal_file_sequence_number":18446744073709551616,"databases":[)"),
            "wal_file_sequence_number is not a 64 bit whole number");
  EXPECT_EQ(why(R"({"snapshot_sequence_number":2,"wal_file_sequence_number":29,"databases":[)"),
            "its snapshot_sequence_number is 2, its name says 1");
}

TEST_F(Node, ASnapshotFileThatIsMissingOrALinkIsNotFound) {
  const auto link = snapshot(3);
  std::filesystem::create_symlink(std::filesystem::path(tests::kFixtures) / "influxdb3", link);
  const Fd folder(::open((node_ / "snapshots").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const std::uint64_t sequence : {2, 3}) {
    const auto read = read_snapshot(folder.get(), node_ / "snapshots", sequence, {});
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().kind, ErrorKind::not_found);
  }
}

}  // namespace
}  // namespace wal_exporter::wal
