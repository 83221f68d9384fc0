#include "app/healthcheck.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "app/way_in.h"
#include "base/text.h"

namespace wal_exporter::app {
namespace {

constexpr const char* kPath = "/-/healthy";

Result<http::Response> ask(const WayIn& way) {
  return way.ask("GET", kPath, std::chrono::seconds(5));
}

bool healthy(const WayIn& way, const Result<http::Response>& answer, std::ostream& out) {
  if (!answer) {
    const bool is_control = !way.token.empty();
    out << answer.error().message << " (" << escape_control(way.origin) << "); "
        << (answer.error().kind != ErrorKind::untrusted
                ? "check that the exporter runs, and give its --web.listen-address"
            : is_control ? "the exporter says at its start why it has no control socket, which needs no TLS"
                         : "give its --state.directory, then it is asked over its control socket")
        << "\n";
    return false;
  }
  out << escape_control(way.url) << kPath << " answered " << answer->status << " (" << escape_control(way.origin)
      << ")\n";
  return answer->status == 200;
}

// Whether it is the exporter at `way` that listens on the port of `address`.
bool listens_on(const WayIn& way, const std::string& address) {
  const auto answer = way.ask("GET", "/api/v1/status", std::chrono::seconds(5));
  if (!answer || answer->status != 200) return false;
  const auto status = nlohmann::json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
  if (!status.is_object() || !status.contains("listening")) return false;
  const std::string port = address.substr(std::min(address.rfind(':'), address.size()));
  const auto& all = status["listening"];
  return std::any_of(all.begin(), all.end(), [&](const auto& each) {
    return each.is_string() && each.template get<std::string>().ends_with(port);
  });
}

bool is_healthy_at(const std::string& address, bool likely_tls, const Result<WayIn>& control, std::ostream& out) {
  const auto way_to = [&](bool is_tls) {
    WayIn way;
    way.url = url_of(address, is_tls);
    way.tls.insecure_skip_verify = true;
    way.origin = "the address given";
    return way;
  };
  const WayIn first = way_to(likely_tls);
  const auto answer = ask(first);
  if ((answer && answer->status == 200) || address.starts_with("unix:")) return healthy(first, answer, out);
  // The other scheme.
  const WayIn second = way_to(!likely_tls);
  const auto other = ask(second);
  if (other && other->status == 200) return healthy(second, other, out);
  const auto& secure = likely_tls ? answer : other;
  const bool wants_certificate = !secure && secure.error().kind == ErrorKind::untrusted;
  if (!wants_certificate) return healthy(answer || !other ? first : second, answer || !other ? answer : other, out);
  if (!control) return healthy(likely_tls ? first : second, secure, out);
  out << escape_control(url_of(address, true)) << " takes no client without a certificate of its own; ";
  if (!listens_on(*control, address)) {
    out << "the exporter of this state directory can't be asked, or does not listen there; give the --state.directory "
           "of "
           "the one that does\n";
    return false;
  }
  return healthy(*control, ask(*control), out);
}

}  // namespace

int run_healthcheck(const Flags& flags, std::ostream& out) {
  // A port of its own is known to the exporter that runs here.
  const auto control = way_by_control(flags.state_directory);
  if (flags.listens_by_default && control) return healthy(*control, ask(*control), out) ? kExitOk : kExitFailure;
  if (flags.listens_by_default && control.error().kind == ErrorKind::permission) {
    out << control.error().message << "; ask as the exporter's user or as root, or give its --web.listen-address\n";
    return kExitFailure;
  }
  bool all = true;
  for (const std::string& address : flags.listen_addresses) {
    all = is_healthy_at(address, !flags.web_config_file.empty(), control, out) && all;
  }
  return all ? kExitOk : kExitFailure;
}

}  // namespace wal_exporter::app
