// The list of hooks: what is read, and what is refused in which words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "support.h"

namespace wal_exporter::settings {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

// From line 5 on: `hooks:` stands on line 4.
std::string with_hooks(const std::string& hooks) {
  return "targets:\n- {name: plant, wal: {directory: /w}}\n- {name: lab, wal: {directory: /v}}\nhooks:\n" + hooks;
}

std::vector<Hook> hooks_of(const std::string& hooks) {
  auto settings = parse(with_hooks(hooks), "/etc/a.yml", no_environment());
  if (!settings) throw std::runtime_error("refused: " + settings.error().message);
  return settings->hooks;
}

std::string refused(const std::string& hooks) {
  return refusal(with_hooks(hooks));
}

TEST(Hooks, AreNoneUnlessSet) {
  EXPECT_THAT(parse(target_with(""), "a.yml", no_environment())->hooks, IsEmpty());
  EXPECT_THAT(hooks_of(""), IsEmpty());
}

TEST(Hooks, OfSlackWithItsFiltersAndItsUrlInAFileBesideTheSettings) {
  const auto hooks = hooks_of(
      "- {name: ops, type: slack, url_file: slack-url, events: [wal.health, wal.restart_consideration], "
      "min_severity: warning, targets: [plant]}\n");
  ASSERT_EQ(hooks.size(), 1U);
  EXPECT_EQ(hooks[0].config.name, "ops");
  EXPECT_EQ(hooks[0].config.type, events::HookType::slack);
  EXPECT_EQ(hooks[0].config.url_file, "/etc/slack-url");
  EXPECT_THAT(hooks[0].config.urls, IsEmpty());
  EXPECT_THAT(hooks[0].config.filter.types, ElementsAre(events::Type::health, events::Type::restart_consideration));
  EXPECT_THAT(hooks[0].config.filter.severities, ElementsAre(events::Severity::warning, events::Severity::critical));
  EXPECT_THAT(hooks[0].config.filter.targets, ElementsAre("plant"));
  EXPECT_EQ(hooks[0].place, "/etc/a.yml:5");
}

TEST(Hooks, OfAWebhookWithEverything) {
  const auto hooks = hooks_of(
      "- name: any\n  type: webhook\n  url: HTTPS://host/in/\n  method: PUT\n  headers: {X-Team: ops}\n"
      "  template: '{\"a\": {{id}}}'\n  hmac_secret_file: /s/hmac\n  username: u\n  password_file: /s/password\n"
      "  timeout: 3s\n  max_queue: 7\n  max_age: 2h\n  retry: {first: 2s, longest: 1m}\n  severities: critical\n");
  const Hook& hook = hooks.at(0);
  EXPECT_THAT(hook.config.urls, ElementsAre("https://host/in/"));  // a webhook's slash may matter
  EXPECT_EQ(hook.config.method, "PUT");
  EXPECT_THAT(hook.config.headers, ElementsAre(Pair("X-Team", "ops")));
  EXPECT_EQ(hook.config.body_template, "{\"a\": {{id}}}");
  EXPECT_EQ(hook.template_place, "/etc/a.yml:10");
  EXPECT_EQ(hook.config.hmac_secret_file, "/s/hmac");
  EXPECT_EQ(hook.config.login.username, "u");
  EXPECT_EQ(hook.config.login.password_file, "/s/password");
  EXPECT_EQ(hook.config.timeout, 3s);
  EXPECT_EQ(hook.config.max_queue, 7U);
  EXPECT_EQ(hook.config.max_age, 2h);
  EXPECT_EQ(hook.config.retry_first, 2s);
  EXPECT_EQ(hook.config.retry_longest, 1min);
  EXPECT_THAT(hook.config.filter.severities, ElementsAre(events::Severity::critical));
}

TEST(Hooks, OfSeveralAlertmanagers) {
  const auto hooks = hooks_of(
      "- {name: am, type: alertmanager, urls: [http://a:9093/, \"http://b:9093/am\"], bearer_token_file: t, resend: "
      "30s, "
      "labels: {team: db}}\n- {name: two, type: alertmanager, urls: http://c:9093}\n");
  EXPECT_THAT(hooks.at(0).config.urls, ElementsAre("http://a:9093", "http://b:9093/am"));
  EXPECT_EQ(hooks[0].config.login.bearer_token_file, "/etc/t");
  EXPECT_EQ(hooks[0].config.resend, 30s);
  EXPECT_THAT(hooks[0].config.labels, ElementsAre(Pair("team", "db")));
  EXPECT_THAT(hooks.at(1).config.urls, ElementsAre("http://c:9093"));
}

TEST(Hooks, OverAUnixSocketHaveAPathOfTheirOwn) {
  const auto hooks = hooks_of("- {name: a, type: webhook, url: unix:///run/x.sock, path: /in}\n");
  EXPECT_THAT(hooks.at(0).config.urls, ElementsAre("unix:///run/x.sock"));
  EXPECT_EQ(hooks[0].config.path, "/in");
  EXPECT_THAT(refused("- {name: a, type: webhook, url: http://h/, path: /in}\n"),
              HasSubstr("hooks.path: it is for a url that is a Unix socket"));
}

TEST(Hooks, StandWhereverInTheFileWithoutBeingDifferent) {
  const auto one = hooks_of("- {name: a, type: webhook, url: http://h/}\n");
  const auto other = hooks_of("# moved down\n\n- {name: a, type: webhook, url: http://h/}\n");
  EXPECT_EQ(one[0].config, other[0].config);
  EXPECT_NE(one[0].place, other[0].place);
}

TEST(Hooks, NeedANameATypeAndAnAddress) {
  EXPECT_EQ(refused("- {type: webhook, url: http://h/}\n"),
            "a.yml:5: hooks.name: it is missing; give each hook a name of its own");
  EXPECT_EQ(refused("- {name: a, url: http://h/}\n"),
            "a.yml:5: hooks.type: it is missing; write webhook, slack or alertmanager");
  EXPECT_EQ(refused("- {name: a, type: slack}\n"),
            "a.yml:5: hooks.url: it is missing; write url, or url_file where the URL is a secret");
  EXPECT_EQ(refused("- {name: a, type: alertmanager}\n"),
            "a.yml:5: hooks.urls: it is missing; write the Alertmanagers, such as [http://127.0.0.1:9093]");
  EXPECT_THAT(refused("- {name: a, type: alertmanager, urls: [http://h/am/api/v2/alerts/]}\n"),
              HasSubstr("'http://h/am/api/v2/alerts' ends in the path of the API, which is added to it; write "
                        "'http://h/am'"));
  EXPECT_THAT(refused("- {name: a b, type: webhook, url: http://h/}\n"), HasSubstr("'a b' is not a name"));
  EXPECT_THAT(refused("- {name: a, type: webhook, url: http://h/}\n- {name: a, type: webhook, url: http://g/}\n"),
              StartsWith("a.yml:6: hooks.name: 'a' is the name of another hook too, on line 5"));
  EXPECT_THAT(refused("- {name: a, type: email, url: http://h/}\n"), HasSubstr("hooks.type"));
  EXPECT_THAT(refused("  name: a\n"), HasSubstr("hooks: it is not a list"));
}

TEST(Hooks, SecretsInTheFileAreRefusedAndNotRepeated) {
  for (const std::string url : {"https://user:s3cret@h/", "https://h/?key=s3cret", "https://h/#s3cret"}) {
    const std::string message = refused("- {name: a, type: webhook, url: '" + url + "'}\n");
    EXPECT_THAT(message, HasSubstr("put the whole URL into a file and name that in url_file")) << url;
    EXPECT_THAT(message, Not(HasSubstr("s3cret")));
  }
  EXPECT_THAT(refused("- {name: a, type: webhook, url: http://h/, headers: {Authorization: Bearer s3cret}}\n"),
              testing::AllOf(HasSubstr("name that in secret_header_file"), Not(HasSubstr("s3cret"))));
  EXPECT_EQ(refused("- {name: a, type: webhook, url: http://h/, token: s3cret}\n"),
            "a.yml:5: unknown key 'token' in a hook; secrets are never in this file: put it into a file of its own and "
            "name that in bearer_token_file");
  EXPECT_THAT(refused("- {name: a, type: webhook, url: http://h/, password: s3cret}\n"), HasSubstr("password_file"));
}

TEST(Hooks, WhatATypeDoesNotHaveIsRefused) {
  EXPECT_EQ(refused("- {name: a, type: slack, url: http://h/, template: x}\n"),
            "a.yml:5: hooks.template: a hook of type slack has none; leave it out");
  EXPECT_THAT(refused("- {name: a, type: webhook, url: http://h/, resend: 1m}\n"), HasSubstr("type webhook has none"));
  EXPECT_THAT(refused("- {name: a, type: alertmanager, urls: http://h, hmac_secret_file: x}\n"),
              HasSubstr("type alertmanager has none"));
}

TEST(Hooks, WhatDoesNotExistIsToldWithWhatWasMeant) {
  EXPECT_EQ(refused("- {name: a, type: webhook, url: http://h/, events: [wal.healht]}\n"),
            "a.yml:5: hooks.events: there is no 'wal.healht'; did you mean 'wal.health'?");
  EXPECT_EQ(refused("- {name: a, type: webhook, url: http://h/, targets: [office]}\n"),
            "a.yml:5: hooks.targets: there is no 'office'; there are plant, lab");
  EXPECT_THAT(refused("- {name: a, type: webhook, url: http://h/, severities: [fatal]}\n"),
              HasSubstr("there is no 'fatal'; there are info, warning, critical"));
  EXPECT_THAT(refused("- {name: a, type: webhook, url: http://h/, events: []}\n"), HasSubstr("it holds none"));
}

TEST(Hooks, WhatCantGoTogetherIsRefused) {
  EXPECT_THAT(refused("- {name: a, type: webhook, url: http://h/, url_file: f}\n"), HasSubstr("write one of the two"));
  EXPECT_THAT(refused("- {name: a, type: webhook, url: http://h/, min_severity: info, severities: info}\n"),
              HasSubstr("write one of the two"));
  EXPECT_THAT(refused("- {name: a, type: webhook, url: http://h/, username: u}\n"),
              HasSubstr("username and password_file go together"));
  EXPECT_THAT(refused("- {name: a, type: webhook, url: http://h/, bearer_token_file: t, secret_header_file: h}\n"),
              HasSubstr("only one of bearer_token_file, password_file and secret_header_file"));
  EXPECT_THAT(refused("- {name: a, type: webhook, url: http://h/, retry: {first: 10m}}\n"),
              HasSubstr("the longest pause (5m) is shorter than the first (10m)"));
  EXPECT_THAT(refused("- {name: a, type: alertmanager, urls: http://h, labels: {severity: x}}\n"),
              HasSubstr("'severity' is set by the exporter"));
  EXPECT_THAT(refused("- {name: a, type: alertmanager, urls: http://h, labels: {a-b: x}}\n"),
              HasSubstr("'a-b' is not the name of a label"));
  EXPECT_THAT(refused("- {name: a, type: webhook, url: http://h/, headers: {X-Influxdb-Wal-Signature: x}}\n"),
              HasSubstr("set by the exporter itself"));
}

}  // namespace
}  // namespace wal_exporter::settings
