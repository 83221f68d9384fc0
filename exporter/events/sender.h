// Sends a hook's request: address, secrets, signature, and what the answer means.
//
// Secrets are read from their files at each request, so that a changed one counts
// without a reload, and are in no message: neither is what a receiver answered
// where a secret was sent to it, nor the URL of a hook whose URL is one.
//
// One thread at a time may use it.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "events/hook.h"
#include "events/payload.h"
#include "http/client.h"

namespace wal_exporter::events {

struct Attempt {
  enum class Verdict {
    delivered,
    failed,   // trying later can help
    refused,  // the receiver does not want this request
  };
  Verdict verdict = Verdict::failed;
  std::string message;                  // why not; empty where delivered
  std::optional<Duration> retry_after;  // the receiver asked for this pause
};

class Sender {
 public:
  explicit Sender(const HookConfig& config);

  // Whether every file can be read and makes sense. Reads files.
  [[nodiscard]] Result<void> check() const;

  [[nodiscard]] std::size_t receivers() const { return config_.urls.empty() ? 1 : config_.urls.size(); }
  // Scheme and host of a receiver; "its URL" where that is a secret.
  [[nodiscard]] std::string shown(std::size_t receiver) const;
  // `now` is for the signature.
  [[nodiscard]] Attempt send(std::size_t receiver, const Payload& payload, Time now, Duration timeout,
                             const std::stop_token& stop);

 private:
  [[nodiscard]] Result<http::Request> prepare(std::size_t receiver) const;
  [[nodiscard]] bool hides_url() const;

  const HookConfig config_;
  http::Client client_{config_.tls};
};

// Scheme and host of a URL, without anything that may be a secret.
[[nodiscard]] std::string scheme_and_host(const std::string& url);

}  // namespace wal_exporter::events
