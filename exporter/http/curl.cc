#include "http/curl.h"

#include <algorithm>
#include <chrono>

namespace wal_exporter::http {

std::optional<Curl> make_curl() {
  // Once per process, before anything else, and not at the same time from two threads.
  // Never undone: other threads may still be inside curl.
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (code != CURLE_OK) return std::nullopt;
  Curl made;
  made.multi.reset(curl_multi_init());
  made.easy.reset(curl_easy_init());
  if (!made.multi || !made.easy) return std::nullopt;
  return made;
}

long curl_milliseconds(Duration duration) {
  const auto count = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
  return static_cast<long>(std::clamp<decltype(count)>(count, 1, 24 * 3600 * 1000));
}

}  // namespace wal_exporter::http
