#include "web/loop.h"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>

#include "web/head.h"
#include "web/tls.h"

namespace wal_exporter::web {
namespace {

constexpr std::size_t kBytesPerMillisecond = 64;  // slower clients are cut off
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// An idle client keeps no memory for what it sent and was sent; assigning an empty text would keep it.
void release(std::string& text) {
  std::string().swap(text);
}

Duration earned_by(std::size_t bytes) {
  return std::chrono::milliseconds(bytes / kBytesPerMillisecond);
}

}  // namespace

void Front::Loop::advance(FrontClient& client) {
  switch (client.state) {
    case State::handshake:
      return shake_hands(client);
    case State::receiving:
      return receive(client);
    case State::sending:
      return send(client);
    case State::lingering: {
      std::array<char, 4096> nothing{};
      const ssize_t got = recv(client.socket, nothing.data(), nothing.size(), MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) close(client);
      return;
    }
    case State::waiting:
    case State::answered:
    case State::held:
      return;
  }
}

void Front::Loop::shake_hands(FrontClient& client) {
  switch (client.shake_hands()) {
    case Io::done:
      enter(client, State::receiving);
      count_memory(client);
      look_for(client, EPOLLIN);
      return receive(client);
    case Io::again:
      return look_for(client, client.awaited);
    case Io::ended:
      return refuse(client, 400, "this is a plain HTTP request, and the port speaks HTTPS");
    case Io::failed:
      use_.log->debug("web server: no TLS connection with {}: {}", client.peer, tls_error(client.session));
      // What is left of the client's flight would reset the connection before it has read the alert.
      return linger(client);
  }
}

void Front::Loop::receive(FrontClient& client) {
  const std::size_t most = limits_.head + limits_.body;
  const std::size_t before_all = client.received.size();
  bool looks_whole = false;
  client.awaited = EPOLLIN;
  while (client.received.size() < most) {
    if (client.received.empty() && client.requests > 0) {
      set_deadline(client, clock_.steady() + limits_.request);  // idle until now
    }
    const std::size_t before = client.received.size();
    const Io io = client.read(most - before);
    if (io == Io::failed) return close(client);
    if (io == Io::ended) client.ended = true;
    if (io == Io::again || io == Io::ended) break;
    client.since = clock_.steady();
    looks_whole = looks_whole || client.received.find('\n', before) != std::string::npos;
  }
  count_memory(client);
  // Without the end of a line there is no end of a head, and looking for one costs time.
  const bool is_first = before_all == 0;
  if (client.head || client.ended || is_first || looks_whole || client.received.size() >= limits_.head)
    return consider(client);
  wait_for_more(client);
}

void Front::Loop::wait_for_more(FrontClient& client) {
  if (client.received.empty() && client.requests > 0) set_deadline(client, client.since + limits_.idle);
  look_for(client, client.awaited);
}

// Is there a whole request in what was received?
void Front::Loop::consider(FrontClient& client) {
  if (!client.head) {
    constexpr char kTlsHandshake = 22;
    if (client.received.starts_with(kTlsHandshake)) {
      return refuse(client, 400, "this is a TLS handshake, and the port speaks plain HTTP");
    }
    const std::size_t size = head_size(std::string_view(client.received).substr(0, limits_.head));
    if (size == 0) {
      if (client.received.size() >= limits_.head) {
        return refuse(client, 431, "the head is larger than " + std::to_string(limits_.head) + " bytes");
      }
      if (client.ended) return close(client);
      return wait_for_more(client);
    }
    auto head = read_head(std::string_view(client.received).substr(0, size));
    if (!head) return refuse(client, head.error().status, head.error().reason);
    client.head_bytes = size;
    // More than is read here is for the worker to refuse, or to read.
    client.body_bytes =
        head->content_length <= limits_.body ? static_cast<std::size_t>(head->content_length) : std::size_t{0};
    client.head = *std::move(head);
    if (client.body_bytes > 0) set_deadline(client, client.deadline + earned_by(client.body_bytes));
    if (client.head->expects_continue && client.body_bytes > 0 && client.received.size() == size) {
      std::size_t written = 0;
      static_cast<void>(client.write(kContinue, written));
      if (written != kContinue.size()) return close(client);  // nothing was sent before, so there is room
      client.awaited = EPOLLIN;
    }
  }
  if (client.received.size() - client.head_bytes >= client.body_bytes) return queue(client);
  if (client.ended) return close(client);
  look_for(client, client.awaited);
}

void Front::Loop::queue(FrontClient& client) {
  enter(client, State::waiting);
  set_deadline(client, SteadyTime::max());
  look_for(client, 0);
  turns_.add(client.key, &client);
}

// Its turn has come: what the worker is to see.
void Front::Loop::prepare(FrontClient& client) {
  enter(client, State::answered);
  if (!client.head) return;  // the workers were busy the time before
  const std::size_t body = static_cast<std::size_t>(
      std::min<std::uint64_t>(client.head->content_length, client.received.size() - client.head_bytes));
  if (client.body_bytes > 0) {  // the leave was given here
    std::erase_if(client.head->headers,
                  [](const Header& header) { return equal_ignoring_case(header.name, "Expect"); });
  }
  client.request = to_text(*client.head);
  client.request.append(client.received, client.head_bytes, body);
  client.request.push_back('\0');
  const std::size_t used = client.head_bytes + body;
  client.received = client.received.substr(used);
  client.received.shrink_to_fit();
  ++client.requests;
  client.may_stay = client.head->keep_alive && client.requests < limits_.requests && client.generation == generation_ &&
                    !stopping_ && (!client.ended || !client.received.empty());
  client.head.reset();
  count_memory(client);
}

void Front::Loop::returned(FrontClient& client) {
  turns_.done(client.key);
  release(client.request);
  count_memory(client);
  if (client.answer.empty()) return linger(client);
  client.stay = client.stay && client.may_stay;
  if (client.hold <= Duration::zero() || stopping_) return begin_sending(client);
  enter(client, State::held);
  set_deadline(client, clock_.steady() + client.hold);
}

void Front::Loop::refuse(FrontClient& client, int status, const std::string& reason) {
  client.answer = use_.refusal(status, reason);
  client.stay = false;
  begin_sending(client);
}

void Front::Loop::begin_sending(FrontClient& client) {
  enter(client, State::sending);
  client.sent = 0;
  client.since = clock_.steady();
  count_memory(client);
  set_deadline(client, client.since + limits_.request + earned_by(client.answer.size() + client.fixed_answer.size()));
  send(client);
}

void Front::Loop::send(FrontClient& client) {
  for (;;) {
    const bool fixed = client.sent >= client.answer.size();
    const std::size_t before = fixed ? client.answer.size() : 0;
    const std::string_view part = fixed ? client.fixed_answer : std::string_view(client.answer);
    std::size_t written = client.sent - before;
    const Io io = client.write(part, written);
    if (before + written > client.sent) client.since = clock_.steady();
    client.sent = before + written;
    if (io == Io::again) return look_for(client, client.awaited);
    if (io != Io::done) return close(client);
    if (client.sent == client.answer.size() + client.fixed_answer.size()) return sent(client);
  }
}

void Front::Loop::sent(FrontClient& client) {
  release(client.answer);
  count_memory(client);
  client.fixed_answer = {};
  client.sent = 0;
  if (!client.stay || stopping_) return linger(client);
  enter(client, State::receiving);
  client.since = clock_.steady();
  client.awaited = EPOLLIN;
  set_deadline(client, client.since + (client.received.empty() ? limits_.idle : limits_.request));
  // The next request may be here already, also inside OpenSSL, where epoll doesn't see it.
  if (client.session != nullptr && SSL_pending(client.session) > 0) return receive(client);
  consider(client);
}

// Closing while the client still sends would reset the connection before it has read the answer.
void Front::Loop::linger(FrontClient& client) {
  if (client.session != nullptr) {
    ERR_clear_error();
    SSL_shutdown(client.session);
  }
  if (shutdown(client.socket, SHUT_WR) != 0) return close(client);
  enter(client, State::lingering);
  release(client.received);
  release(client.answer);
  count_memory(client);
  set_deadline(client, clock_.steady() + limits_.linger);
  look_for(client, EPOLLIN);
}

void Front::Loop::close(FrontClient& client) {
  if (client.closed) return;
  enter(client, State::receiving);
  memory_ -= client.memory;
  client.closed = true;
  set_deadline(client, SteadyTime::max());
  look_for(client, 0);
  if (--per_peer_[client.key] == 0) per_peer_.erase(client.key);
  const auto found = clients_.find(&client);
  client.tls.reset();
  client.fd = Fd();
  if (client.queued) {
    queued_.emplace(&client, std::move(found->second));
  } else {
    gone_.push_back(std::move(found->second));
  }
  clients_.erase(found);
}

}  // namespace wal_exporter::web
