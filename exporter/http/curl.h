// Handles of libcurl that clean up after themselves. For the files of this folder.
#pragma once

#include <curl/curl.h>

#include <memory>
#include <optional>

#include "base/time.h"

namespace wal_exporter::http {

struct EasyDelete {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct MultiDelete {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};

struct Curl {
  std::unique_ptr<CURLM, MultiDelete> multi;
  std::unique_ptr<CURL, EasyDelete> easy;  // ends first
};

// Initialises libcurl at the first call of the process; safe from any thread. nullopt: it failed.
[[nodiscard]] std::optional<Curl> make_curl();

// What curl is to take as a limit: it reads 0 as none.
[[nodiscard]] long curl_milliseconds(Duration duration);

}  // namespace wal_exporter::http
