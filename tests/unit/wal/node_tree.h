// A 3.x node's folder made for one test, and WAL files made to measure.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "paths.h"
#include "wal/node_snapshot.h"
#include "wal/node_source.h"
#include "wal/node_wal_file.h"

namespace wal_exporter::wal {

// 2026-11-23T01:41:00Z, minutes after the fixtures were recorded.
inline constexpr Time kTestNow{std::chrono::seconds(1'795'398'060)};

inline std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_all(const std::filesystem::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

inline void append_number(std::string& out, std::uint64_t value, unsigned bytes) {
  out += static_cast<char>(bytes == 8 ? 0 : bytes == 4 ? 2 : bytes == 2 ? 4 : 6);
  for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

// Magic and a right checksum in front of `payload`.
inline std::string sealed(std::string_view payload) {
  const auto crc =
      ::crc32(0, reinterpret_cast<const unsigned char*>(payload.data()), static_cast<unsigned>(payload.size()));
  std::string out = "idb3.001";
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(crc >> shift);
  return out.append(payload);
}

// A sound WAL file whose data is of one second after 1970 per number.
inline std::string wal_file(std::uint64_t number, std::size_t more_bytes = 40) {
  std::string payload;
  append_number(payload, number * 1000 + 500, 8);
  append_number(payload, number * 1'000'000'000, 8);
  append_number(payload, number * 1'000'000'000 + 7, 8);
  append_number(payload, number, 8);
  payload.append(more_bytes, 'x');
  return sealed(payload);
}

inline std::string snapshot_json(std::uint64_t sequence, std::uint64_t last_wal_file) {
  return R"({"version":"1","snapshot_sequence_number":)" + std::to_string(sequence) +
         R"(,"wal_file_sequence_number":)" + std::to_string(last_wal_file) +
         R"(,"parquet_size_bytes":1912,"row_count":29,"databases":[[1,{"tables":[]}]]})";
}

class Node : public testing::Test {
 protected:
  void SetUp() override {
    const bool has_memory = ::access("/dev/shm", W_OK | X_OK) == 0;
    const std::filesystem::path base = has_memory ? "/dev/shm" : std::filesystem::temp_directory_path();
    std::string name = (base / "wal_exporter-node-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    top_ = name;
    node_ = top_ / "node0";
    std::filesystem::create_directories(node_ / "wal");
  }
  void TearDown() override { std::filesystem::remove_all(top_); }

  // A copy of tests/fixtures/influxdb3/`name` takes the node's place.
  void use_fixture(const std::string& name) {
    std::filesystem::remove_all(node_);
    std::filesystem::copy(std::filesystem::path(tests::kFixtures) / "influxdb3" / name, node_,
                          std::filesystem::copy_options::recursive);
  }
  [[nodiscard]] std::filesystem::path wal(std::uint64_t number) const { return node_ / "wal" / node_file_name(number); }
  [[nodiscard]] std::filesystem::path snapshot(std::uint64_t sequence) const {
    std::filesystem::create_directories(node_ / "snapshots");
    return node_ / "snapshots" / snapshot_name(sequence);
  }
  void put(std::uint64_t number, std::size_t more_bytes = 40) { write_all(wal(number), wal_file(number, more_bytes)); }
  void put_range(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t number = first; number <= last; ++number) put(number);
  }
  static void set_modified(const std::filesystem::path& path, Time time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch());
    const timespec stamp{seconds.count(), (time.time_since_epoch() - seconds).count()};
    const timespec stamps[] = {stamp, stamp};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), stamps, 0), 0);
  }

  std::shared_ptr<WalSource> open(Integrity integrity = Integrity::header) {
    options_.directory = node_;
    options_.integrity = integrity;
    options_.counter = counter_;
    return make_node_source(options_, clock_, null_log());
  }
  static std::shared_ptr<const Sample> look(WalSource& source) {
    auto sample = source.take_sample({});
    if (!sample) {
      ADD_FAILURE() << sample.error().message;
      return std::make_shared<Sample>();
    }
    return *sample;
  }
  std::shared_ptr<const Sample> look_once(Integrity integrity = Integrity::header) { return look(*open(integrity)); }

  std::filesystem::path top_;
  std::filesystem::path node_;
  NodeOptions options_;
  std::shared_ptr<ManualClock> clock_ = std::make_shared<ManualClock>(kTestNow);
  std::shared_ptr<ReadCounter> counter_ = std::make_shared<ReadCounter>();
};

}  // namespace wal_exporter::wal
