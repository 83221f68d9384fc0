#include "settings/keys.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "base/text.h"

namespace wal_exporter::settings {
namespace {

// What people write where the name of a file belongs.
constexpr std::pair<std::string_view, std::string_view> kHookSecrets[] = {
    {"token", "bearer_token_file"},
    {"bearer_token", "bearer_token_file"},
    {"password", "password_file"},
    {"secret", "hmac_secret_file"},
    {"hmac_secret", "hmac_secret_file"},
    {"authorization", "secret_header_file"},
    {"api_url", "url_file"},
    {"authorization_file", "secret_header_file"},
};

std::vector<std::string_view> keys_of(const Keys& keys, std::string_view section) {
  std::vector<std::string_view> out;
  for (const SectionKeys& candidate : keys) {
    if (candidate.section == section) out.insert(out.end(), candidate.keys.begin(), candidate.keys.end());
  }
  return out;
}

// maxFiles, max-files and MAX_FILES are all max_files to a person.
std::string plain(std::string_view word) {
  std::string out;
  for (const char c : word) {
    if (c != '_' && c != '-' && c != ' ') out += lower_case(c);
  }
  return out;
}

// Letters to insert, drop, change or swap with their neighbour.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  std::iota(cost[0].begin(), cost[0].end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

std::string place(std::string_view section) {
  if (section.empty()) return "at the top of the file";
  if (section == "target") return "in a target";
  if (section == "hooks") return "in a hook";
  return "in " + std::string(section);
}

// "under wal" or "under influxdb or checkpoint"; empty: nowhere.
std::string where_else(const Keys& keys, std::string_view section, std::string_view key) {
  std::vector<std::string> places;
  for (const SectionKeys& candidate : keys) {
    if (candidate.section != section && is_key(keys, candidate.section, key)) {
      places.push_back(candidate.section == "target" ? "a target (an entry of the list targets)"
                       : candidate.section.empty()   ? "the top of the file"
                                                     : "'" + std::string(candidate.section) + "'");
    }
  }
  return join(places, " or ");
}

}  // namespace

bool is_key(const Keys& keys, std::string_view section, std::string_view key) {
  return std::any_of(keys.begin(), keys.end(), [&](const SectionKeys& candidate) {
    return candidate.section == section &&
           std::find(candidate.keys.begin(), candidate.keys.end(), key) != candidate.keys.end();
  });
}

std::string_view closest(std::string_view text, std::span<const std::string_view> words) {
  constexpr std::size_t kLongest = 64;  // keeps the work small whatever the file holds
  if (text.size() > kLongest) return {};
  const std::string wanted = plain(text);
  std::string_view best;
  std::size_t best_distance = 0;
  for (const std::string_view word : words) {
    const std::string candidate = plain(word);
    const std::size_t allowed = std::min<std::size_t>(3, std::max(candidate.size(), wanted.size()) / 3);
    const std::size_t letters = distance(wanted, candidate);
    if (letters <= allowed && (best.empty() || letters < best_distance)) {
      best = word;
      best_distance = letters;
    }
  }
  return best;
}

std::string explain_unknown_key(const Keys& keys, std::string_view section, std::string_view key) {
  constexpr std::size_t kShown = 60;
  std::string text = "unknown key '" + escape_control(key.substr(0, kShown)) + "' " + place(section) + "; ";
  if (section == "hooks") {
    for (const auto& [secret, file] : kHookSecrets) {
      if (key == secret) {
        return text + "secrets are never in this file: put it into a file of its own and name that in " +
               std::string(file);
      }
    }
  }
  if (key == "token") {
    return text + "secrets are never in this file: put the token in a file of its own and name it in " +
           (section == "alerts" ? "alerts" : "influxdb") + ".token_file";
  }
  if (key == "<<") return text + "merge keys are not understood: write the keys out in each target";
  if (key.starts_with('-')) return text + "put a space after the '-'";
  if (key.find(':') != std::string_view::npos) return text + "put a space after the ':'";
  const auto here = keys_of(keys, section);
  const std::string_view meant = closest(key, here);
  const std::string elsewhere = where_else(keys, section, key);
  if (!meant.empty() && (elsewhere.empty() || plain(meant) == plain(key))) {
    return text + "did you mean '" + std::string(meant) + "'?";
  }
  if (!elsewhere.empty()) return text + "it belongs under " + elsewhere;
  return text + "the keys here are " + join(here, ", ");
}

}  // namespace wal_exporter::settings
