// GET /api/v1/hooks.
#include "view/json.h"
#include "web/handler.h"

namespace wal_exporter::web {

Response Handler::get_hooks(const Call& /*call*/) {
  const auto view = dependencies_.views.current();
  Json hooks = Json::array();
  for (const events::HookStatus& hook : view->hooks) hooks.push_back(view::to_json(hook));
  return json_response(200, {{"hooks", std::move(hooks)}});
}

}  // namespace wal_exporter::web
