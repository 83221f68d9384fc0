// Hooks over the settings and the state.
#include "app/hooks.h"

#include <gmock/gmock.h>

#include "settings/load.h"

namespace wal_exporter::app {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::StartsWith;

settings::Settings read(const std::string& hooks) {
  const auto none = [](const std::string&) -> std::optional<std::string> { return std::nullopt; };
  return settings::parse("targets: [{name: plant, wal: {directory: /w}}]\nhooks:\n" + hooks, "a.yml", none).value();
}

TEST(HookConfigs, EveryEventAndSeverityThatSettingsKnowIsOne) {
  using events::Severity;
  using events::Type;
  const auto configs = hook_configs(
      read("- {name: a, type: webhook, url: http://h/, severities: [info, warning, critical], events: [wal.health, "
           "wal.checkpoint, wal.restart_consideration, wal.restart]}\n"),
      "");
  EXPECT_THAT(configs.at(0).filter.types,
              ElementsAre(Type::health, Type::checkpoint, Type::restart_consideration, Type::restart));
  EXPECT_THAT(configs[0].filter.severities, ElementsAre(Severity::info, Severity::warning, Severity::critical));
}

TEST(HookConfigs, OnlyAlertmanagersNeedToKnowTheTargets) {
  const auto configs = hook_configs(
      read("- {name: a, type: webhook, url: http://h/}\n- {name: b, type: alertmanager, urls: http://h}\n"), "");
  EXPECT_TRUE(configs.at(0).known_targets.empty());
  EXPECT_THAT(configs.at(1).known_targets, ElementsAre("plant"));
}

TEST(HookConfigs, AlertsNameTheExporterUnlessTheirLabelsDo) {
  const auto configs = hook_configs(read("- {name: a, type: alertmanager, urls: http://h}\n"
                                         "- {name: b, type: alertmanager, urls: http://h, labels: {instance: db1}, "
                                         "watchdog: false}\n"
                                         "- {name: c, type: webhook, url: http://h/}\n"),
                                    "host:3002");
  EXPECT_THAT(configs.at(0).labels, ElementsAre(Pair("instance", "host:3002")));
  EXPECT_TRUE(configs[0].watchdog);
  EXPECT_THAT(configs.at(1).labels, ElementsAre(Pair("instance", "db1")));
  EXPECT_FALSE(configs[1].watchdog);
  EXPECT_TRUE(configs.at(2).labels.empty());
  EXPECT_THAT(own_instance(3002), EndsWith(":3002"));
}

TEST(CheckHooks, SaysWhereInTheFileTheTroubleIs) {
  EXPECT_TRUE(check_hooks(read("- {name: a, type: webhook, url: http://h/}\n")).empty());
  const auto missing =
      check_hooks(read("- {name: a, type: webhook, url: http://h/}\n"
                       "- {name: b, type: slack, url_file: /nowhere/url}\n"
                       "- {name: c, type: slack, url_file: /nowhere/else}\n"));
  ASSERT_EQ(missing.size(), 2U);
  EXPECT_THAT(missing[0], StartsWith("a.yml:4: hook b: "));
  EXPECT_THAT(missing[0], HasSubstr("url_file /nowhere/url"));
  EXPECT_THAT(missing[0], HasSubstr("readable by the exporter's user"));
  EXPECT_THAT(missing[1], StartsWith("a.yml:5: hook c: "));
  const auto odd = check_hooks(read("- name: a\n  type: webhook\n  url: http://h/\n  template: '{{what}}'\n"));
  ASSERT_EQ(odd.size(), 1U);
  EXPECT_THAT(odd[0], StartsWith("a.yml:6: hook a: template: '{{what}}' is not a name it knows"));
}

TEST(HookMemory, IsTheAuditWithSeverityAndDetail) {
  const std::shared_ptr<state::Store> store = state::memory_store(100);
  const Time now = Time(std::chrono::seconds(1'769'769'000));
  ASSERT_TRUE(store->append({0, now, "plant", "decision", "none", "{}"}).has_value());
  const auto id = store->append({0, now, "plant", "wal.checkpoint", "failed", R"({"severity":"warning"})"});
  ASSERT_TRUE(id.has_value());
  const auto memory = hook_services(nullptr, nullptr, nullptr, store, {}).memory;
  const auto events = memory->events_after(0, 10);
  ASSERT_TRUE(events.has_value());
  ASSERT_EQ(events->size(), 1U);
  EXPECT_EQ(events->at(0).id, *id);
  EXPECT_EQ(events->at(0).type, events::Type::checkpoint);
  EXPECT_EQ(events->at(0).severity, events::Severity::warning);
  EXPECT_EQ(memory->newest_id(), *id);
  ASSERT_TRUE(memory->put("hook/a", "1").has_value());
  EXPECT_EQ(memory->get("hook/a").value(), "1");
}

}  // namespace
}  // namespace wal_exporter::app
