// The front's thread: what it waits for, and what it does with each client. For front.cc alone.
#pragma once

#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/mutex.h"
#include "web/client.h"
#include "web/front.h"
#include "web/turns.h"

namespace wal_exporter::web {

struct SslContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

class Front::Loop {
 public:
  Loop(Front& front, std::vector<Listener> listeners, const FrontLimits& limits, SSL_CTX* tls, Use use);

  // Once the front knows its loop: from then on workers give connections back.
  void start() {
    thread_ = std::thread([this] { run(); });
  }

  void post(std::function<void()> closure) {
    {
      const MutexLock lock(mutex_);
      posted_.push_back(std::move(closure));
    }
    eventfd_write(bell_.get(), 1);
  }

  // In the loop's thread, by post().
  void returned(FrontClient& client);
  void renew(SSL_CTX* tls);
  void stop();

  // From any other thread.
  void finish();

 private:
  void run();
  [[nodiscard]] int patience(SteadyTime now) const;
  void run_posted();
  void expire(SteadyTime now);
  void save_memory();
  void dispatch();
  void take_turns_at_handshakes();

  void listen(bool on);
  void accept_from(const Listener& listener);
  void take(Fd fd, const sockaddr_storage& address, bool is_unix);
  [[nodiscard]] bool make_room(const std::string& key);
  void make_room_for_handshake();

  void advance(FrontClient& client);
  void shake_hands(FrontClient& client);
  void receive(FrontClient& client);
  void consider(FrontClient& client);
  void wait_for_more(FrontClient& client);
  void queue(FrontClient& client);
  void prepare(FrontClient& client);
  void refuse(FrontClient& client, int status, const std::string& reason);
  void begin_sending(FrontClient& client);
  void send(FrontClient& client);
  void sent(FrontClient& client);
  void linger(FrontClient& client);
  void close(FrontClient& client);

  void watch(int operation, int fd, std::uint32_t events, void* what) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = what;
    epoll_ctl(epoll_.get(), operation, fd, &event);
  }
  template <typename Condition>
  void close_where(const Condition& holds) {
    for (auto each = clients_.begin(); each != clients_.end();) {
      FrontClient& client = *each++->first;
      if (holds(client)) close(client);
    }
  }
  // The one nearest to its deadline; false: there is none.
  template <typename Condition>
  bool close_nearest(const Condition& holds) {
    for (const auto& [_, client] : deadlines_) {
      if (!holds(*client)) continue;
      close(*client);
      return true;
    }
    return false;
  }
  void look_for(FrontClient& client, std::uint32_t events) {
    if (events == client.interest) return;
    watch(events == 0            ? EPOLL_CTL_DEL
          : client.interest == 0 ? EPOLL_CTL_ADD
                                 : EPOLL_CTL_MOD,
          client.fd.get(), events, &client);
    client.interest = events;
  }
  void set_deadline(FrontClient& client, SteadyTime deadline) {
    deadlines_.erase({client.deadline, &client});
    client.deadline = deadline;
    if (deadline != SteadyTime::max()) deadlines_.emplace(deadline, &client);
  }
  void enter(FrontClient& client, State state) {
    if (client.state == State::handshake && state != State::handshake) {
      --handshaking_;
      if (--shaking_per_peer_[client.key] == 0) shaking_per_peer_.erase(client.key);
    }
    const auto ends = [](State each) { return each == State::sending || each == State::lingering; };
    ending_ -= ends(client.state) ? 1 : 0;
    ending_ += ends(state) ? 1 : 0;
    client.state = state;
  }
  // After each change of its texts, and of the step its TLS is at.
  void count_memory(FrontClient& client) {
    // What OpenSSL holds, about: measured.
    constexpr std::size_t kHandshake = 64 * 1024;
    constexpr std::size_t kSession = 16 * 1024;
    const std::size_t tls = client.session == nullptr ? 0 : client.state == State::handshake ? kHandshake : kSession;
    const std::size_t now = client.received.capacity() + client.request.capacity() + client.answer.capacity() + tls;
    memory_ += now - client.memory;
    client.memory = now;
  }

  Front& front_;
  const FrontLimits limits_;
  const Use use_;
  const SystemClock clock_;  // limits on clients are real time, also in tests with another clock

  // Of the loop's thread alone.
  std::vector<Listener> listeners_;
  Turns<FrontClient*> turns_;
  Turns<FrontClient*> handshakes_;  // those that have something to do
  std::unique_ptr<SSL_CTX, SslContextFree> tls_;
  std::uint64_t generation_ = 0;
  std::unordered_map<FrontClient*, std::unique_ptr<FrontClient>> clients_;
  std::unordered_map<std::string, std::size_t> per_peer_;
  std::set<std::pair<SteadyTime, FrontClient*>> deadlines_;
  std::vector<std::unique_ptr<FrontClient>> gone_;                         // until no event of this look can name them
  std::unordered_map<FrontClient*, std::unique_ptr<FrontClient>> queued_;  // gone, but still among the handshakes
  std::size_t handshaking_ = 0;
  std::unordered_map<std::string, std::size_t> shaking_per_peer_;
  std::size_t memory_ = 0;       // of all clients
  std::size_t most_memory_ = 0;  // since it was last given back
  std::size_t ending_ = 0;       // clients that are sent an answer, or have been
  bool listening_ = false;
  bool stopping_ = false;
  SteadyTime listen_again_ = SteadyTime::max();
  SteadyTime complain_again_{};
  SteadyTime finish_by_ = SteadyTime::max();

  const Fd epoll_;
  const Fd bell_;
  Mutex mutex_;
  std::vector<std::function<void()>> posted_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace wal_exporter::web
