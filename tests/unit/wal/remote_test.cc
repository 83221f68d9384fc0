#include "wal/remote.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

namespace wal_exporter::wal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Remote, FilesystemsWithoutEventsAreKnown) {
  EXPECT_EQ(kind_without_events(0x00C36400), "Ceph");
  EXPECT_EQ(kind_without_events(0x0BD00BD0), "Lustre");
  EXPECT_EQ(kind_without_events(0x47504653), "GPFS");
  EXPECT_EQ(kind_without_events(0x786F4256), "vboxsf");
  EXPECT_EQ(kind_without_events(0xFE534D42), "SMB2");
  EXPECT_EQ(kind_without_events(static_cast<std::int32_t>(0xFE534D42)), "SMB2") << "f_type is signed on some machines";
  EXPECT_EQ(kind_without_events(0xEF53), "") << "ext4";
}

TEST(Remote, TheLayersOfAnOverlayAreThoseOfItsMount) {
  constexpr std::string_view mounts =
      "21 1 0:20 / /proc rw shared:5 - proc proc rw\n"
      "30 1 0:57 / /other rw - overlay overlay rw,lowerdir=/no,upperdir=/never\n"
      "31 1 0:58 / /a\\040b rw,relatime shared:1 master:2 - overlay none "
      "rw,lowerdir=/mnt/low\\040er:/with\\134:colon:/c,upperdir=/mnt/upper,workdir=/mnt/work\n"
      "32 1 0:59 / /ext rw - ext4 /dev/sda1 rw,upperdir=/no\n"
      "33 1 0:60 / /new rw - overlay none rw,lowerdir+=/x:y,lowerdir+=/z\n"
      "34 1 0:61 / /cut rw - overlay\n"
      "35 1 0:62 / /cut rw";
  EXPECT_THAT(layers_of_overlay(mounts, makedev(0, 58)), ElementsAre("/mnt/low er", "/with:colon", "/c", "/mnt/upper"));
  EXPECT_THAT(layers_of_overlay(mounts, makedev(0, 60)), ElementsAre("/x:y", "/z"));
  for (const unsigned other : {20U, 59U, 61U, 62U, 99U}) {
    EXPECT_THAT(layers_of_overlay(mounts, makedev(0, other)), IsEmpty()) << other;
  }
}

}  // namespace
}  // namespace wal_exporter::wal
