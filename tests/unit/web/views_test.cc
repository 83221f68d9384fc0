#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "routes.h"

namespace wal_exporter::web {
namespace {

// The sanitizers see what is read of a view that is gone.
TEST_F(Routes, EveryAddressMayBeAskedForWhileTheViewsChange) {
  std::atomic<bool> done{false};
  std::thread publishing([&] {
    while (!done) publish(healthy_target("plant"));
  });
  for (int i = 0; i < 200; ++i) {
    for (int j = 0; j < 20; ++j) EXPECT_EQ(get("/api/v1/targets/nobody").status, 404);
    EXPECT_EQ(get("/probe?target=nobody").status, 404);
    for (const auto* address :
         {"/", "/metrics", "/api/v1/targets", "/api/v1/targets/plant", "/api/v1/status", "/wal-management/stats",
          "/wal-management/health", "/-/ready", "/config", "/api/v1/targets/plant/samples"}) {
      EXPECT_EQ(get(address).status, 200) << address;
    }
  }
  done = true;
  publishing.join();
}

}  // namespace
}  // namespace wal_exporter::web
