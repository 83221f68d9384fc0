// GET /api/v1/hooks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support.h"
#include "web/handler.h"

namespace wal_exporter::web {
namespace {

Response ask_handler(World& world, const std::string& method) {
  Handler handler(world.dependencies(), 1, 1);
  Request request;
  request.method = method;
  request.path = "/api/v1/hooks";
  request.version = "1.1";
  request.peer = "127.0.0.1";
  request.peer_user = 0;
  request.headers = {{"Host", "localhost:3002"}};
  return handler.handle(request, Users());
}

TEST(HooksRoute, ListsThemInTheirOrder) {
  World world;
  view::View view;
  view.hooks.emplace_back().name = "ops";
  view.hooks.back().type = events::HookType::slack;
  view.hooks.emplace_back().name = "am";
  world.views.publish(std::make_shared<view::View>(std::move(view)));
  const Response response = ask_handler(world, "GET");
  EXPECT_EQ(response.status, 200);
  const Json hooks = Json::parse(response.body)["hooks"];
  ASSERT_EQ(hooks.size(), 2U);
  EXPECT_EQ(hooks[0]["name"], "ops");
  EXPECT_EQ(hooks[0]["receivers"].dump(), "[]");
  EXPECT_EQ(hooks[1]["name"], "am");
}

TEST(HooksRoute, IsAnEmptyListWithoutHooksAndOnlyRead) {
  World world;
  EXPECT_EQ(Json::parse(ask_handler(world, "GET").body).dump(), R"({"hooks":[]})");
  EXPECT_EQ(ask_handler(world, "POST").status, 405);
}

}  // namespace
}  // namespace wal_exporter::web
