#include "wal/node_header.h"

#include "paths.h"
#include "unit/wal/node_tree.h"

namespace wal_exporter::wal {
namespace {

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Header decode(std::string_view file, std::uint64_t number) {
  return decode_header(bytes(file.substr(0, kHeaderBytes)), number);
}

std::string header_with(std::int64_t persisted_ms, std::int64_t min_ns, std::int64_t max_ns, std::uint64_t number) {
  std::string payload;
  append_number(payload, static_cast<std::uint64_t>(persisted_ms), 8);
  append_number(payload, static_cast<std::uint64_t>(min_ns), 8);
  append_number(payload, static_cast<std::uint64_t>(max_ns), 8);
  append_number(payload, number, 8);
  return sealed(payload);
}

bool checksum_matches(std::string_view file) {
  ChecksumProgress progress;
  add_to_checksum(progress, bytes(file));
  return progress.matches();
}

TEST(NodeHeader, EveryRecordedFileIsUnderstoodAndSound) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(std::filesystem::path(tests::kFixtures) / "influxdb3")) {
    const auto number = parse_node_file_name(entry.path().filename().string());
    if (!number) continue;
    ++files;
    const std::string content = read_all(entry.path());
    const Header header = decode(content, *number);
    EXPECT_EQ(header.state, HeaderState::valid) << entry.path() << ": " << header.detail;
    EXPECT_EQ(header.number, *number);
    EXPECT_LT(header.persisted, kTestNow);
    EXPECT_TRUE(checksum_matches(content)) << entry.path();
  }
  EXPECT_EQ(files, 34 + 44 + 12);
}

TEST(NodeHeader, TheFirstRecordedFileGivesItsTimes) {
  const Header header =
      decode(read_all(std::filesystem::path(tests::kFixtures) / "influxdb3/twelve-pending/wal/00000000001.wal"), 1);
  ASSERT_EQ(header.state, HeaderState::valid);
  EXPECT_EQ(header.persisted, Time(std::chrono::milliseconds(1'795'398'025'190)));
  EXPECT_EQ(header.min_time, Time(Duration(1'795'398'025'137'748'166)));
  EXPECT_EQ(header.max_time, Time(Duration(1'795'398'025'137'748'166)));
}

TEST(NodeHeader, AllWidthsAreReadAndTimesAreSigned) {
  std::string payload;
  append_number(payload, static_cast<std::uint64_t>(std::int64_t{-2}), 4);
  append_number(payload, static_cast<std::uint64_t>(std::int64_t{-300}), 2);
  append_number(payload, 0x7F, 1);
  append_number(payload, 0xFF, 1);
  const Header header = decode(sealed(payload), 255);
  ASSERT_EQ(header.state, HeaderState::valid) << header.detail;
  EXPECT_EQ(header.persisted, Time(std::chrono::milliseconds(-2)));
  EXPECT_EQ(header.min_time, Time(Duration(-300)));
  EXPECT_EQ(header.max_time, Time(Duration(127)));
  EXPECT_EQ(header.number, 255U);
}

TEST(NodeHeader, AnyOtherWidthByteIsUnknown) {
  const std::string good = header_with(1, 2, 3, 4);
  for (int field = 0; field < 4; ++field) {
    for (int width = 0; width < 256; ++width) {
      std::string file = good;
      file[static_cast<std::size_t>(12 + 9 * field)] = static_cast<char>(width);
      const HeaderState state = decode(file, 4).state;
      if (width == 0) {
        EXPECT_EQ(state, HeaderState::valid);
      } else if (field == 0 && width == '{') {
        EXPECT_EQ(state, HeaderState::older);
      } else if (width != 2 && width != 4 && width != 6) {
        EXPECT_EQ(state, HeaderState::unknown) << "field " << field << ", width byte " << width;
      }
    }
  }
}

TEST(NodeHeader, ANumberUnlikeTheNameIsTold) {
  EXPECT_EQ(decode(header_with(1, 2, 3, 4), 5).state, HeaderState::other_number);
  EXPECT_EQ(decode(header_with(1, 2, 3, 4), 5).number, 4U);
  EXPECT_EQ(decode_header(bytes(header_with(1, 2, 3, 4)), std::nullopt).number, 4U);
  EXPECT_EQ(decode(header_with(1, 2, 3, 4), 4).state, HeaderState::valid);
}

TEST(NodeHeader, APersistTimeThatNanosecondsCannotHoldIsUnknown) {
  constexpr std::int64_t last = 9'223'372'036'854;
  EXPECT_EQ(decode(header_with(last, 0, 0, 1), 1).state, HeaderState::valid);
  EXPECT_EQ(decode(header_with(last + 1, 0, 0, 1), 1).state, HeaderState::unknown);
  EXPECT_EQ(decode(header_with(-last, 0, 0, 1), 1).state, HeaderState::valid);
  EXPECT_EQ(decode(header_with(-last - 1, 0, 0, 1), 1).state, HeaderState::unknown);
  EXPECT_EQ(decode(header_with(INT64_MIN, 0, 0, 1), 1).state, HeaderState::unknown);
}

TEST(NodeHeader, ASmallestTimeAfterTheLargestIsNoTime) {
  EXPECT_EQ(decode(header_with(1, 3, 2, 1), 1).state, HeaderState::void_times);
  EXPECT_EQ(decode(header_with(1, INT64_MAX, INT64_MIN, 1), 1).state, HeaderState::void_times);
  EXPECT_EQ(decode(header_with(1, 3, 3, 1), 1).state, HeaderState::valid);
  EXPECT_EQ(decode(header_with(1, INT64_MIN, INT64_MAX, 1), 1).state, HeaderState::valid);
}

TEST(NodeHeader, CutAnywhereInsideItIsShort) {
  const std::string file = header_with(1, 2, 3, 4);
  ASSERT_EQ(file.size(), 48U);
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_EQ(decode(file.substr(0, size), 4).state, HeaderState::too_short) << size;
  }
}

TEST(NodeHeader, AnyBitOfTheMagicMatters) {
  for (std::size_t bit = 0; bit < 64; ++bit) {
    std::string file = header_with(1, 2, 3, 4);
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << bit % 8));
    const std::string magic = file.substr(0, 8);
    const bool other_digits = magic.starts_with("idb3.") && magic.find_first_not_of("0123456789", 5) == magic.npos;
    EXPECT_EQ(decode(file, 4).state, other_digits ? HeaderState::newer : HeaderState::bad_magic) << magic;
  }
}

TEST(NodeChecksum, IsTheSameInPiecesOfAnySize) {
  const std::string file = wal_file(7, 500);
  for (std::size_t piece = 1; piece <= file.size(); piece += 13) {
    ChecksumProgress progress;
    for (std::size_t at = 0; at < file.size(); at += piece)
      add_to_checksum(progress, bytes(std::string_view(file).substr(at, piece)));
    EXPECT_TRUE(progress.matches()) << piece;
    EXPECT_EQ(progress.offset, file.size());
  }
}

TEST(NodeChecksum, AnyFlippedBitIsSeen) {
  std::string file = wal_file(7, 8);
  for (std::size_t bit = 8 * 8; bit < 8 * file.size(); ++bit) {
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(checksum_matches(file)) << bit;
    file[bit / 8] = static_cast<char>(file[bit / 8] ^ (1 << bit % 8));
  }
}

TEST_F(Node, AChecksumGoesOnWhereItsBudgetEnded) {
  put(3, 100'000);
  const std::uint64_t size = wal_file(3, 100'000).size();
  const Fd file(::open(wal(3).c_str(), O_RDONLY | O_CLOEXEC));
  ChecksumProgress progress;
  int steps = 0;
  while (true) {
    std::uint64_t budget = 30'000;
    const auto ended = continue_checksum(file.get(), "x", progress, budget, {});
    ASSERT_TRUE(ended.has_value());
    ++steps;
    ASSERT_LE(progress.offset, 30'000ULL * static_cast<unsigned>(steps));
    if (*ended) break;
  }
  EXPECT_EQ(steps, 4);
  EXPECT_EQ(progress.offset, size);
  EXPECT_TRUE(progress.matches());
}

TEST_F(Node, AChecksumStopsWhenAsked) {
  put(3, 100'000);
  const Fd file(::open(wal(3).c_str(), O_RDONLY | O_CLOEXEC));
  std::stop_source source;
  source.request_stop();
  ChecksumProgress progress;
  std::uint64_t budget = 30'000;
  const auto ended = continue_checksum(file.get(), "x", progress, budget, source.get_token());
  ASSERT_FALSE(ended.has_value());
  EXPECT_EQ(ended.error().kind, ErrorKind::cancelled);
}

}  // namespace
}  // namespace wal_exporter::wal
