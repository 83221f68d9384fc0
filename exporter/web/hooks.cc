// GET /api/v1/hooks.
#include <array>

#include "view/json.h"
#include "web/action.h"

namespace wal_exporter::web {
namespace {

Response get_hooks(const Context& context, const Call&) {
  const auto view = context.views.current();
  Json hooks = Json::array();
  for (const events::HookStatus& hook : view->hooks) hooks.push_back(view::to_json(hook));
  return json_response(200, {{"hooks", std::move(hooks)}});
}

constexpr std::array kHookRoutes{Route{"/api/v1/hooks", "GET", get_hooks}};

}  // namespace

std::span<const Route> hook_routes() {
  return kHookRoutes;
}

}  // namespace wal_exporter::web
