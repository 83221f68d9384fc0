#include "web/negotiate.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/gzip.h"
#include "base/text.h"

namespace wal_exporter::web {
namespace {

// Smaller than this fits into one packet as it is.
constexpr std::size_t kWorthCompressing = 1024;

// One choice of a list: `text/plain; version=0.0.4; q=0.5`.
struct Choice {
  std::string name;
  std::vector<std::pair<std::string, std::string>> parameters;
  double weight = 1;
};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// At each `separator` that is not in quotes; trimmed.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  bool quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (text[i] == '\\' && quoted) ++i;
    if (i < text.size() && text[i] == separator && !quoted) {
      out.push_back(trimmed(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  out.push_back(trimmed(text.substr(begin)));
  return out;
}

// 0 to 1 with three digits at most; nullopt: something else.
std::optional<double> weight_of(std::string_view text) {
  constexpr std::size_t kLongest = 5;
  double weight = -1;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, weight, std::chars_format::fixed);
  if (text.size() > kLongest || parsed.ec != std::errc{} || parsed.ptr != end || weight < 0 || weight > 1) {
    return std::nullopt;
  }
  return weight;
}

std::optional<Choice> parse_choice(std::string_view text) {
  const auto parts = split(text, ';');
  if (parts.front().empty()) return std::nullopt;
  Choice out;
  out.name = lower_case(parts.front());
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const std::size_t equals = std::min(parts[i].find('='), parts[i].size());
    std::string name = lower_case(trimmed(parts[i].substr(0, equals)));
    std::string_view value = trimmed(parts[i].substr(std::min(equals + 1, parts[i].size())));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    if (name != "q") {
      out.parameters.emplace_back(std::move(name), lower_case(value));
    } else if (const auto weight = weight_of(value)) {
      out.weight = *weight;
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::vector<Choice> choices(const std::vector<Header>& headers, std::string_view name) {
  std::vector<Choice> out;
  for (const std::string& value : header_values(headers, name)) {
    for (const std::string_view part : split(value, ',')) {
      if (auto choice = parse_choice(part)) out.push_back(*std::move(choice));
    }
  }
  return out;
}

// How much a type is wanted, by the choice that fits it best.
struct Wanted {
  int fit = 0;  // 0: by no choice; 1: */*; 2: type/*; 3: by its name; 4: and its version
  double weight = 0;
};

Wanted wanted(const std::vector<Choice>& list, std::string_view type, std::string_view version) {
  const std::string group = std::string(type.substr(0, type.find('/'))) + "/*";
  Wanted best;
  for (const Choice& choice : list) {
    int fit = choice.name == type ? 3 : choice.name == group ? 2 : choice.name == "*/*" ? 1 : 0;
    for (const auto& [name, value] : choice.parameters) {
      if (name == "version") fit = fit == 3 && value == version ? 4 : 0;
    }
    if (fit > best.fit || (fit == best.fit && fit > 0 && choice.weight > best.weight)) best = {fit, choice.weight};
  }
  return best;
}

std::optional<double> weight_of_coding(const std::vector<Choice>& list, std::string_view coding) {
  for (const Choice& choice : list) {
    if (choice.name == coding) return choice.weight;
  }
  return std::nullopt;
}

}  // namespace

metrics::Format wanted_format(const std::vector<Header>& headers) {
  constexpr int kByName = 3;
  const auto list = choices(headers, "Accept");
  const Wanted openmetrics = wanted(list, "application/openmetrics-text", "1.0.0");
  const Wanted text = wanted(list, "text/plain", "0.0.4");
  const bool taken = openmetrics.fit >= kByName && openmetrics.weight > 0 && openmetrics.weight >= text.weight;
  return taken ? metrics::Format::openmetrics : metrics::Format::text;
}

bool takes_gzip(const std::vector<Header>& headers) {
  const auto list = choices(headers, "Accept-Encoding");
  auto gzip = weight_of_coding(list, "gzip");
  if (!gzip) gzip = weight_of_coding(list, "x-gzip");
  if (!gzip) gzip = weight_of_coding(list, "*");
  return gzip && *gzip > 0 && *gzip >= weight_of_coding(list, "identity").value_or(0);
}

void compress(const Request& request, Response& response) {
  const auto header = [&](std::string_view name) {
    return std::find_if(response.headers.begin(), response.headers.end(),
                        [&](const auto& pair) { return pair.first == name; });
  };
  const bool done = header("Content-Encoding") != response.headers.end();
  if (response.stream || !response.fixed_body.empty() || (!done && response.body.size() < kWorthCompressing)) return;
  if (const auto vary = header("Vary"); vary != response.headers.end()) {
    vary->second += ", Accept-Encoding";
  } else {
    response.headers.emplace_back("Vary", "Accept-Encoding");
  }
  if (done || !takes_gzip(request.headers)) return;
  response.body = gzip(response.body);
  response.headers.emplace_back("Content-Encoding", "gzip");
}

}  // namespace wal_exporter::web
