#include "app/way_in.h"

#include "app/control_file.h"
#include "base/text.h"
#include "http/address.h"

namespace wal_exporter::app {

Result<http::Response> WayIn::ask(const std::string& method, const std::string& path, Duration timeout) const {
  const auto parts = http::parse_url(url);
  if (!parts) return tl::unexpected(parts.error());
  http::Client client(tls);
  http::Request request;
  request.method = method;
  request.url = parts->url + path;
  request.unix_socket = parts->unix_socket;
  if (!token.empty()) request.secret_header = "Authorization: Bearer " + token;
  request.timeout = timeout;
  return client.send(request, {});
}

Result<WayIn> way_by_control(const std::filesystem::path& state_directory) {
  auto control = read_control(state_directory);
  if (!control) return tl::unexpected(control.error());
  WayIn out;
  out.url = std::move(control->url);
  out.tls.pinned_key = std::move(control->pinned_key);
  out.token = std::move(control->token);
  out.origin = "the address in " + (state_directory / "control").string();
  return out;
}

std::string url_of(const std::string& address, bool is_tls) {
  constexpr std::string_view kUnixForm = "unix:";
  if (address.starts_with(kUnixForm)) return "unix://" + address.substr(kUnixForm.size());
  const std::size_t colon = address.rfind(':');
  std::string host = colon == std::string::npos ? std::string() : address.substr(0, colon);
  // [::] is all addresses of both families.
  if (host.empty() || host == "0.0.0.0" || host == "[::]") host = "127.0.0.1";
  return (is_tls ? "https://" : "http://") + host + ":" +
         (colon == std::string::npos ? address : address.substr(colon + 1));
}

}  // namespace wal_exporter::app
