#include "web/front.h"

#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <future>
#include <system_error>
#include <utility>

#include "web/loop.h"

namespace wal_exporter::web {
namespace {

constexpr int kEvents = 128;                                       // in one look
constexpr int kAcceptsAtOnce = 64;                                 // then the others have their turn
constexpr Duration kHandshakesFor = std::chrono::milliseconds(5);  // at once; one with a large key may take as long
constexpr Duration kAcceptPause = std::chrono::milliseconds(250);
constexpr Duration kComplainEvery = std::chrono::minutes(10);
constexpr std::size_t kMuch = 8 << 20;  // bytes
constexpr std::size_t kLittle = 4096;
constexpr Duration kFinishWithin = std::chrono::seconds(1);

// Empty: there is no peer.
std::string peer_with_most(const std::unordered_map<std::string, std::size_t>& counts) {
  const auto most =
      std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == counts.end() ? std::string() : most->first;
}

}  // namespace

Front::Loop::Loop(Front& front, std::vector<Listener> listeners, const FrontLimits& limits, SSL_CTX* tls, Use use)
    : front_(front),
      limits_(limits),
      use_(std::move(use)),
      listeners_(std::move(listeners)),
      turns_(limits.workers),
      handshakes_(limits.connections),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      bell_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!epoll_.valid() || !bell_.valid()) throw std::system_error(errno, std::generic_category());
  renew(tls);
  watch(EPOLL_CTL_ADD, bell_.get(), EPOLLIN, &mutex_);
  listen(true);
}

void Front::Loop::renew(SSL_CTX* tls) {
  if (tls != nullptr) SSL_CTX_up_ref(tls);
  tls_.reset(tls);
  ++generation_;
  // Idle ones of other settings go; what is under way ends first.
  close_where([](const FrontClient& client) {
    return client.state == State::receiving && client.received.empty() && client.requests > 0;
  });
}

void Front::Loop::finish() {
  if (!thread_.joinable()) return;
  post([this] {
    stop();
    finish_by_ = clock_.steady() + kFinishWithin;
  });
  thread_.join();
}

void Front::Loop::run() {
  std::array<epoll_event, kEvents> events{};
  while (clock_.steady() < finish_by_) {
    if (finish_by_ != SteadyTime::max() && ending_ == 0) break;
    const int count = epoll_wait(epoll_.get(), events.data(), kEvents, patience(clock_.steady()));
    for (int i = 0; i < count; ++i) {
      void* what = events[static_cast<std::size_t>(i)].data.ptr;
      if (what == &mutex_) {
        eventfd_t rings = 0;
        eventfd_read(bell_.get(), &rings);
        continue;
      }
      const auto listener =
          std::find_if(listeners_.begin(), listeners_.end(), [what](const Listener& each) { return &each == what; });
      if (listener != listeners_.end()) {
        accept_from(*listener);
        continue;
      }
      auto& client = *static_cast<FrontClient*>(what);
      if (client.closed) continue;
      if (client.state == State::handshake) {
        // After whoever has a request, and in turn by peer.
        client.queued = true;
        look_for(client, 0);
        handshakes_.add(client.key, &client);
      } else {
        advance(client);
      }
    }
    run_posted();
    expire(clock_.steady());
    dispatch();
    take_turns_at_handshakes();
    dispatch();
    gone_.clear();
  }
  listen(false);
  close_where([](const FrontClient&) { return true; });
}

int Front::Loop::patience(SteadyTime now) const {
  if (handshakes_.waiting()) return 0;  // there was no time for all of them
  SteadyTime until = std::min(listen_again_, finish_by_);
  if (!deadlines_.empty()) until = std::min(until, deadlines_.begin()->first);
  if (until == SteadyTime::max()) return -1;
  if (until <= now) return 0;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
  return static_cast<int>(std::min<decltype(left)>(left, 60'000));
}

void Front::Loop::run_posted() {
  std::vector<std::function<void()>> posted;
  {
    const MutexLock lock(mutex_);
    posted.swap(posted_);
  }
  for (const auto& closure : posted) closure();
}

void Front::Loop::expire(SteadyTime now) {
  if (now >= listen_again_) {
    listen_again_ = SteadyTime::max();
    if (!stopping_) listen(true);
  }
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    FrontClient& client = *deadlines_.begin()->second;
    // Half a request is told what was wrong, silence is not.
    if (client.state == State::held) {
      begin_sending(client);
    } else if (client.state == State::receiving && !client.received.empty()) {
      refuse(client, 408, "the request did not come whole and in time");
    } else {
      close(client);
    }
  }
  save_memory();
}

void Front::Loop::save_memory() {
  while (memory_ > limits_.memory) {
    if (!close_nearest([](const FrontClient& client) { return client.memory >= kLittle; })) break;
  }
  // What a flood took is of use to others on this machine.
  most_memory_ = std::max(most_memory_, memory_);
  if (most_memory_ > kMuch && memory_ < kMuch / 8) {
    malloc_trim(0);
    most_memory_ = 0;
  }
}

void Front::Loop::take_turns_at_handshakes() {
  const SteadyTime until = clock_.steady() + kHandshakesFor;
  do {
    FrontClient* client = handshakes_.next();
    if (client == nullptr) return;
    handshakes_.done(client->key);
    client->queued = false;
    if (queued_.erase(client) == 0) advance(*client);
  } while (clock_.steady() < until);
}

void Front::Loop::dispatch() {
  if (stopping_) return;
  while (FrontClient* client = turns_.next()) {
    prepare(*client);
    if (use_.give(*client)) continue;
    // The next one that is given back makes room.
    enter(*client, State::waiting);
    turns_.done(client->key);
    turns_.add(client->key, client);
    return;
  }
}

void Front::Loop::listen(bool on) {
  if (listening_ == on) return;
  listening_ = on;
  for (Listener& listener : listeners_) {
    watch(on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listener.socket.get(), EPOLLIN, &listener);
  }
}

void Front::Loop::accept_from(const Listener& listener) {
  for (int i = 0; i < kAcceptsAtOnce && listening_; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    Fd fd(accept4(listener.socket.get(), reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid()) {
      take(std::move(fd), address, listener.is_unix());
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      const int code = errno;
      // Without a pause the loop would spin: the connection stays in the kernel's queue.
      pollfd waiting{listener.socket.get(), POLLIN, 0};
      if (poll(&waiting, 1, 0) <= 0) return;  // the kernel looks for a descriptor first
      if (make_room({})) continue;
      listen(false);
      listen_again_ = clock_.steady() + kAcceptPause;
      if (clock_.steady() >= complain_again_) {
        complain_again_ = clock_.steady() + kComplainEvery;
        use_.log->warn(
            "web server: no connection can be accepted: {}; raise the limit on open files (ulimit -n, "
            "LimitNOFILE= in the unit)",
            std::strerror(code));
      }
      return;
    }
    if (errno != EINTR && errno != ECONNABORTED) return;
  }
}

// Closes the one that is nearest to its deadline: of `key`, or of the peer that has most. False: each waits for us.
bool Front::Loop::make_room(const std::string& key) {
  const std::string whose = key.empty() ? peer_with_most(per_peer_) : key;
  return close_nearest([&](const FrontClient& client) { return client.key == whose; });
}

void Front::Loop::make_room_for_handshake() {
  const std::string whose = peer_with_most(shaking_per_peer_);
  close_nearest([&](const FrontClient& client) { return client.state == State::handshake && client.key == whose; });
}

void Front::Loop::take(Fd fd, const sockaddr_storage& address, bool is_unix) {
  Peer peer = peer_of(fd.get(), address);
  const auto known = per_peer_.find(peer.key);
  if (known != per_peer_.end() && known->second >= limits_.per_peer && !make_room(peer.key)) return;
  if (clients_.size() >= limits_.connections && !make_room({})) return;

  auto made = std::make_unique<FrontClient>(front_);
  FrontClient& client = *made;
  client.fd = std::move(fd);
  client.socket = client.fd.get();
  client.peer = std::move(peer.text);
  client.key = std::move(peer.key);
  client.user = peer.user;
  client.generation = generation_;
  client.since = clock_.steady();
  if (!is_unix) {
    const int on = 1;  // without it a small answer takes 40 ms
    setsockopt(client.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (tls_) {
      if (handshaking_ >= limits_.handshakes) make_room_for_handshake();
      if (!client.begin_tls(tls_.get())) return;
      ++handshaking_;
      ++shaking_per_peer_[client.key];
    }
  }
  ++per_peer_[client.key];
  clients_.emplace(&client, std::move(made));
  set_deadline(client, client.since + limits_.request);
  count_memory(client);
  look_for(client, EPOLLIN);
}

void Front::Loop::stop() {
  if (std::exchange(stopping_, true)) return;
  listen(false);
  listen_again_ = SteadyTime::max();
  remove_paths(listeners_);
  listeners_.clear();
  close_where([](const FrontClient& client) {
    return client.state != State::answered && client.state != State::sending && client.state != State::lingering;
  });
}

Front::Front(std::vector<Listener> listeners, const FrontLimits& limits, SSL_CTX* tls, Use use)
    : loop_(std::make_unique<Loop>(*this, std::move(listeners), limits, tls, std::move(use))) {
  loop_->start();
}

Front::~Front() {
  finish();
}

void Connection::give_back() {
  Front::Loop* loop = front.loop_.get();
  loop->post([loop, client = static_cast<FrontClient*>(this)] { loop->returned(*client); });
}

void Front::set_tls(SSL_CTX* tls) {
  // Held until the loop has its own reference.
  if (tls != nullptr) SSL_CTX_up_ref(tls);
  loop_->post([this, held = std::shared_ptr<SSL_CTX>(tls, [](SSL_CTX* context) { SSL_CTX_free(context); })] {
    loop_->renew(held.get());
  });
}

void Front::stop() {
  std::promise<void> stopped;
  loop_->post([&] {
    loop_->stop();
    stopped.set_value();
  });
  stopped.get_future().wait();
}

void Front::finish() {
  loop_->finish();
}

}  // namespace wal_exporter::web
