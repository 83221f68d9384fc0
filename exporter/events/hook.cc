#include "events/hook.h"

#include <algorithm>

namespace wal_exporter::events {
namespace {

template <class List, class Value>
bool allows(const List& list, const Value& value) {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

std::string_view to_string(HookType type) {
  switch (type) {
    case HookType::webhook:
      return "webhook";
    case HookType::slack:
      return "slack";
    case HookType::alertmanager:
      return "alertmanager";
  }
  return "unknown";
}

bool concerns(const HookFilter& filter, const Event& event) {
  return allows(filter.types, event.type) && allows(filter.targets, event.target);
}

bool severe_enough(const HookFilter& filter, Severity severity) {
  return allows(filter.severities, severity);
}

}  // namespace wal_exporter::events
