#include "http/address.h"

#include <string_view>

#include "base/text.h"

namespace wal_exporter::http {

std::string printable_url(const std::string& url) {
  std::string shown = url.substr(0, url.find_first_of("?#"));
  const auto scheme = shown.find("://");
  const auto begin = scheme == std::string::npos ? 0 : scheme + 3;
  // Cuts at the last '@', even if a password holds a slash. That may hide too much, but never
  // shows a part of a secret.
  const auto at = shown.rfind('@');
  if (at != std::string::npos && at >= begin) {
    shown.erase(begin, at + 1 - begin);
  } else if (shown.find('/', begin) == std::string::npos && url.find('@', begin) != std::string::npos) {
    shown.erase(begin);  // the cut at '?' or '#' was inside a password
    shown += "...";
  }
  return escape_control(shown);
}

Result<Target> parse_target(const std::string& url) {
  const auto wrong = [&](std::string_view why) {
    return failure(ErrorKind::invalid, "URL " + printable_url(url) + ": " + std::string(why) +
                                           "; right would be http://127.0.0.1:8086 or unix:///run/influxdb.sock");
  };
  constexpr std::string_view kUnix = "unix://";
  if (url.starts_with(kUnix)) {
    const std::string path = url.substr(kUnix.size());
    if (!path.starts_with('/')) return wrong("the path of a Unix socket must be absolute");
    return Target{"http://localhost", path};
  }
  const bool known = url.starts_with("http://") || url.starts_with("https://");
  if (!known) return wrong("it begins with none of http://, https:// and unix://");
  if (url.find_first_of("?#") != std::string::npos) return wrong("a base URL has no query and no fragment");
  std::string base = url;
  while (base.ends_with('/')) base.pop_back();
  if (base.size() <= std::string_view("https:/").size() && base.ends_with(':')) return wrong("the host is missing");
  return Target{std::move(base), {}};
}

}  // namespace wal_exporter::http
