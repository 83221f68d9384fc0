#include "influxdb/verify.h"

#include <gtest/gtest.h>

#include "influxdb/outcome.h"

namespace wal_exporter::influxdb {
namespace {

wal::Segment segment(const std::string& name, std::uint64_t inode, std::uint64_t bytes) {
  wal::Segment out;
  out.name = name;
  out.inode = inode;
  out.bytes = bytes;
  return out;
}

wal::Shard shard(std::uint64_t id, std::vector<wal::Segment> segments, const std::string& database = "a") {
  wal::Shard out;
  out.database = database;
  out.retention_policy = "autogen";
  out.id = id;
  out.segments = std::move(segments);
  return out;
}

const std::vector<wal::Shard> kAsked = {
    shard(1, {segment("_00001.wal", 11, 100), segment("_00002.wal", 12, 50), segment("_00003.wal", 13, 0)})};

TEST(Prove, AllGoneIsComplete) {
  const auto proof = prove(kAsked, {shard(1, {segment("_00003.wal", 13, 0)})});
  EXPECT_TRUE(proof.complete());
  EXPECT_EQ(proof.asked, (wal::Extent{2, 150}));
  EXPECT_EQ(proof.reclaimed, (wal::Extent{2, 150}));
}

TEST(Prove, OneLeftIsNotComplete) {
  const auto proof = prove(kAsked, {shard(1, {segment("_00002.wal", 12, 50)})});
  EXPECT_FALSE(proof.complete());
  EXPECT_EQ(proof.reclaimed, (wal::Extent{1, 100}));
}

TEST(Prove, AFileThatGrewIsStillThere) {
  EXPECT_FALSE(prove(kAsked, {shard(1, {segment("_00002.wal", 12, 5000)})}).complete());
}

TEST(Prove, TheSameNameWithAnotherInodeIsAnotherFile) {
  EXPECT_TRUE(prove(kAsked, {shard(1, {segment("_00001.wal", 99, 100)})}).complete());
}

TEST(Prove, TheSameInodeUnderAnotherNameIsAnotherFile) {
  EXPECT_TRUE(prove(kAsked, {shard(1, {segment("_00009.wal", 11, 100)})}).complete());
}

TEST(Prove, TheSameNameInAnotherShardIsAnotherFile) {
  EXPECT_TRUE(prove(kAsked, {shard(2, kAsked[0].segments), shard(1, kAsked[0].segments, "b")}).complete());
}

TEST(Prove, AShardThatIsGoneIsReclaimed) {
  EXPECT_EQ(prove(kAsked, {}).reclaimed, (wal::Extent{2, 150}));
}

TEST(Prove, NothingAskedIsComplete) {
  const auto proof = prove({}, kAsked);
  EXPECT_TRUE(proof.complete());
  EXPECT_EQ(proof.asked, wal::Extent{});
}

TEST(Outcome, HasTheNamesOfTheMetrics) {
  std::string names;
  for (const auto kind : kOutcomes) names += std::string(to_string(kind)) + " ";
  EXPECT_EQ(names, "succeeded no_op busy failed unverified ");
}

}  // namespace
}  // namespace wal_exporter::influxdb
