// A request's head against any bytes: never a crash, and what is accepted says the same when it is
// written anew, with nothing in it that another reader could take for a line or a body of its own.
#include <cstdint>
#include <cstdlib>

#include "web/head.h"

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace wal_exporter::web;
  const std::string_view all(reinterpret_cast<const char*>(bytes), size);
  const auto length = head_size(all);
  must(length <= size);
  const auto head = read_head(all.substr(0, length));
  if (!head) {
    must(head.error().status >= 400 && !head.error().reason.empty());
    must(head.error().reason.find('\n') == std::string::npos);
    return 0;
  }
  const auto text = to_text(*head);
  must(head_size(text) == text.size());
  must(header_values(head->headers, "Transfer-Encoding").empty());
  must(head->headers.size() <= kMaxHeaders);
  const auto again = read_head(text);
  must(again.has_value());
  must(again->method == head->method && again->target == head->target && again->version == head->version);
  must(again->content_length == head->content_length && again->keep_alive == head->keep_alive);
  must(again->expects_continue == head->expects_continue && to_text(*again) == text);
  return 0;
}
