#include "web/front.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/text.h"
#include "web/head.h"
#include "web/turns.h"

namespace wal_exporter::web {
namespace {

constexpr int kEvents = 128;          // in one look
constexpr int kAcceptsAtOnce = 64;    // then the others have their turn
constexpr int kHandshakesAtOnce = 8;  // each may take a millisecond
constexpr std::size_t kReadAtOnce = 16 * 1024;
constexpr std::size_t kBytesPerMillisecond = 64;  // slower clients are cut off
constexpr Duration kAcceptPause = std::chrono::milliseconds(250);
constexpr Duration kComplainEvery = std::chrono::minutes(10);
constexpr Duration kFinishWithin = std::chrono::seconds(1);
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

struct SslFree {
  void operator()(SSL* session) const { SSL_free(session); }
};
struct SslContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

enum class State { handshake, receiving, waiting, answered, sending, lingering };

struct Client : Connection {
  explicit Client(Front& owner) : Connection(owner) {}

  Fd fd;
  std::unique_ptr<SSL, SslFree> tls;
  State state = State::receiving;
  std::string key;       // whose turn, and whose limit
  std::string received;  // not yet a request
  std::size_t sent = 0;  // of the answer
  std::size_t requests = 0;
  std::uint64_t generation = 0;  // of the TLS settings
  std::uint32_t interest = 0;    // what epoll looks for; 0: it does not
  std::optional<Head> head;
  std::size_t head_bytes = 0;  // as received
  std::size_t body_bytes = 0;  // to wait for
  bool first_look = true;      // nothing was read yet
  bool ended = false;          // the client sends no more
  bool closed = false;
  SteadyTime since;  // the last byte that went either way
  SteadyTime deadline = SteadyTime::max();
};

struct Peer {
  std::string text;
  std::string key;
  std::optional<std::uint32_t> user;
};

Peer peer_of(int socket, const sockaddr_storage& address) {
  Peer peer;
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof(text));
    peer.text = peer.key = text;
  } else if (address.ss_family == AF_INET6) {
    in6_addr network = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&network)) {
      inet_ntop(AF_INET, &network.s6_addr[12], text, sizeof(text));
      peer.text = peer.key = text;
    } else {
      inet_ntop(AF_INET6, &network, text, sizeof(text));
      peer.text = text;
      std::memset(&network.s6_addr[8], 0, 8);  // whoever has one address of a network has all of them
      inet_ntop(AF_INET6, &network, text, sizeof(text));
      peer.key = text;
    }
  } else {
    peer.text = peer.key = "unix";
    ucred credentials{};
    socklen_t size = sizeof(credentials);
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
      peer.user = credentials.uid;
      peer.key += ":" + std::to_string(credentials.uid);
    }
  }
  return peer;
}

Duration earned_by(std::size_t bytes) {
  return std::chrono::milliseconds(bytes / kBytesPerMillisecond);
}

enum class Io { done, again, ended, failed };

}  // namespace

class Front::Loop {
 public:
  Loop(Front& front, std::vector<Listener> listeners, const FrontLimits& limits, SSL_CTX* tls, Use use)
      : front_(front),
        limits_(limits),
        use_(std::move(use)),
        listeners_(std::move(listeners)),
        turns_(limits.workers),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        bell_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    renew(tls);
    watch(EPOLL_CTL_ADD, bell_.get(), EPOLLIN, &mutex_);
    listen(true);
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
  void returned(Client& client);
  void renew(SSL_CTX* tls) {
    if (tls != nullptr) SSL_CTX_up_ref(tls);
    tls_.reset(tls);
    ++generation_;
    // Idle ones of other settings go; what is under way ends first.
    close_where([](const Client& client) {
      return client.state == State::receiving && client.received.empty() && client.requests > 0;
    });
  }
  void stop();

  void finish() {
    if (!thread_.joinable()) return;
    post([this] {
      stop();
      finish_by_ = clock_.steady() + kFinishWithin;
    });
    thread_.join();
  }

 private:
  void run();
  [[nodiscard]] int patience(SteadyTime now) const;
  void run_posted();
  void expire(SteadyTime now);
  void dispatch();

  void listen(bool on);
  void accept_from(const Listener& listener);
  void take(Fd fd, const sockaddr_storage& address, bool is_unix);
  [[nodiscard]] bool make_room(const std::string& key);

  void advance(Client& client);
  void shake_hands(Client& client);
  void receive(Client& client);
  void consider(Client& client);
  void queue(Client& client);
  void refuse(Client& client, int status, const std::string& reason);
  void begin_sending(Client& client);
  void send(Client& client);
  void sent(Client& client);
  void linger(Client& client);
  void close(Client& client);

  [[nodiscard]] Io read_some(Client& client, std::size_t room);
  [[nodiscard]] Io write_some(Client& client, std::string_view bytes, std::size_t& written);
  // What `code` of a TLS call means, and what has to be waited for.
  [[nodiscard]] Io judge(Client& client, int code);

  void watch(int operation, int fd, std::uint32_t events, void* what) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = what;
    epoll_ctl(epoll_.get(), operation, fd, &event);
  }
  template <typename Condition>
  void close_where(const Condition& holds) {
    for (auto each = clients_.begin(); each != clients_.end();) {
      Client& client = *each++->first;
      if (holds(client)) close(client);
    }
  }
  void look_for(Client& client, std::uint32_t events) {
    if (events == client.interest) return;
    watch(events == 0            ? EPOLL_CTL_DEL
          : client.interest == 0 ? EPOLL_CTL_ADD
                                 : EPOLL_CTL_MOD,
          client.fd.get(), events, &client);
    client.interest = events;
  }
  void set_deadline(Client& client, SteadyTime deadline) {
    deadlines_.erase({client.deadline, &client});
    client.deadline = deadline;
    if (deadline != SteadyTime::max()) deadlines_.emplace(deadline, &client);
  }
  [[nodiscard]] static std::size_t unsent_of(const Client& client) {
    return client.state == State::sending ? client.answer.size() + client.fixed_answer.size() - client.sent : 0;
  }

  Front& front_;
  const FrontLimits limits_;
  const Use use_;
  const SystemClock clock_;  // limits on clients are real time, also in tests with another clock

  // Of the loop's thread alone.
  std::vector<Listener> listeners_;
  Turns<Client*> turns_;
  std::unique_ptr<SSL_CTX, SslContextFree> tls_;
  std::uint64_t generation_ = 0;
  std::unordered_map<Client*, std::unique_ptr<Client>> clients_;
  std::unordered_map<std::string, std::size_t> per_peer_;
  std::set<std::pair<SteadyTime, Client*>> deadlines_;
  std::vector<std::unique_ptr<Client>> gone_;  // until no event of this look can name them
  std::vector<Client*> shaking_;               // of this look
  std::size_t unsent_ = 0;
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

void Front::Loop::run() {
  std::array<epoll_event, kEvents> events{};
  while (clock_.steady() < finish_by_) {
    if (finish_by_ != SteadyTime::max() && unsent_ == 0) break;
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
      auto& client = *static_cast<Client*>(what);
      if (client.closed) continue;
      if (client.state == State::handshake) {
        // After whoever has a request; epoll tells the others again, those first that waited.
        if (shaking_.size() < kHandshakesAtOnce) shaking_.push_back(&client);
      } else {
        advance(client);
      }
    }
    run_posted();
    expire(clock_.steady());
    dispatch();
    for (Client* client : std::exchange(shaking_, {})) {
      if (!client->closed) advance(*client);
    }
    dispatch();
    gone_.clear();
  }
  listen(false);
  close_where([](const Client&) { return true; });
}

int Front::Loop::patience(SteadyTime now) const {
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
    Client& client = *deadlines_.begin()->second;
    // Half a request is told what was wrong, silence is not.
    if (client.state == State::receiving && !client.received.empty()) {
      refuse(client, 408, "the request did not come whole and in time");
    } else {
      close(client);
    }
  }
  while (unsent_ > limits_.unsent) {
    Client* slowest = nullptr;
    for (const auto& [client, _] : clients_) {
      if (client->state == State::sending && (slowest == nullptr || client->since < slowest->since)) slowest = client;
    }
    if (slowest == nullptr) break;
    close(*slowest);
  }
}

void Front::Loop::dispatch() {
  if (stopping_) return;
  while (Client* client = turns_.next()) {
    client->state = State::answered;
    if (use_.give(*client)) continue;
    // The next one that is given back makes room.
    client->state = State::waiting;
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
  const auto most = std::max_element(per_peer_.begin(), per_peer_.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == per_peer_.end()) return false;
  const std::string& whose = key.empty() ? most->first : key;
  const auto nearest =
      std::find_if(deadlines_.begin(), deadlines_.end(), [&](const auto& each) { return each.second->key == whose; });
  if (nearest == deadlines_.end()) return false;
  close(*nearest->second);
  return true;
}

void Front::Loop::take(Fd fd, const sockaddr_storage& address, bool is_unix) {
  Peer peer = peer_of(fd.get(), address);
  const auto known = per_peer_.find(peer.key);
  if (known != per_peer_.end() && known->second >= limits_.per_peer && !make_room(peer.key)) return;
  if (clients_.size() >= limits_.connections && !make_room({})) return;

  auto made = std::make_unique<Client>(front_);
  Client& client = *made;
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
      client.tls.reset(SSL_new(tls_.get()));
      if (!client.tls || SSL_set_fd(client.tls.get(), client.socket) != 1) return;
      SSL_set_accept_state(client.tls.get());
      SSL_set_mode(client.tls.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
      client.session = client.tls.get();
      client.state = State::handshake;
    }
  }
  ++per_peer_[client.key];
  clients_.emplace(&client, std::move(made));
  set_deadline(client, client.since + limits_.request);
  look_for(client, EPOLLIN);
}

void Front::Loop::advance(Client& client) {
  switch (client.state) {
    case State::handshake:
      return shake_hands(client);
    case State::receiving:
      return receive(client);
    case State::sending:
      return send(client);
    case State::lingering: {
      std::array<char, kReadAtOnce> nothing{};
      const ssize_t got = recv(client.socket, nothing.data(), nothing.size(), MSG_DONTWAIT);
      if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) close(client);
      return;
    }
    case State::waiting:
    case State::answered:
      return;
  }
}

Io Front::Loop::judge(Client& client, int code) {
  switch (SSL_get_error(client.session, code)) {
    case SSL_ERROR_WANT_READ:
      look_for(client, EPOLLIN);
      return Io::again;
    case SSL_ERROR_WANT_WRITE:
      look_for(client, EPOLLOUT);
      return Io::again;
    case SSL_ERROR_ZERO_RETURN:
      return Io::ended;
    default:
      // A connection that failed must not be shut down in an orderly way.
      SSL_set_quiet_shutdown(client.session, 1);
      return Io::failed;
  }
}

void Front::Loop::shake_hands(Client& client) {
  if (std::exchange(client.first_look, false)) {
    char first = 0;
    // A handshake begins with the byte 22, a request with a letter.
    if (recv(client.socket, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && is_letter_or_digit(first)) {
      client.tls.reset();
      client.session = nullptr;
      return refuse(client, 400, "this is a plain HTTP request, and the port speaks HTTPS");
    }
  }
  ERR_clear_error();
  const int code = SSL_accept(client.session);
  if (code == 1) {
    client.state = State::receiving;
    look_for(client, EPOLLIN);
    return receive(client);
  }
  if (judge(client, code) == Io::again) return;
  const unsigned long reason = ERR_peek_error();
  use_.log->debug("web server: no TLS connection with {}: {}", client.peer,
                  reason != 0 ? ERR_reason_error_string(reason) : "it was broken off");
  // What is left of the client's flight would reset the connection before it has read the alert.
  linger(client);
}

Io Front::Loop::read_some(Client& client, std::size_t room) {
  std::array<char, kReadAtOnce> part{};
  const std::size_t size = std::min(room, part.size());
  if (client.session != nullptr) {
    ERR_clear_error();
    const int got = SSL_read(client.session, part.data(), static_cast<int>(size));
    if (got <= 0) return judge(client, got);
    client.received.append(part.data(), static_cast<std::size_t>(got));
    return Io::done;
  }
  const ssize_t got = recv(client.socket, part.data(), size, MSG_DONTWAIT);
  if (got == 0) return Io::ended;
  if (got < 0) return errno == EAGAIN || errno == EINTR ? Io::again : Io::failed;
  client.received.append(part.data(), static_cast<std::size_t>(got));
  return Io::done;
}

void Front::Loop::receive(Client& client) {
  const std::size_t most = limits_.head + limits_.body;
  while (client.received.size() < most) {
    if (client.received.empty() && client.requests > 0) {
      set_deadline(client, clock_.steady() + limits_.request);  // idle until now
    }
    const Io io = read_some(client, most - client.received.size());
    if (io == Io::failed) return close(client);
    if (io == Io::ended) client.ended = true;
    if (io == Io::again || io == Io::ended) break;
    client.since = clock_.steady();
    if (client.session == nullptr && client.received.size() % kReadAtOnce != 0) break;  // all there was
  }
  consider(client);
}

// Is there a whole request in what was received?
void Front::Loop::consider(Client& client) {
  if (!client.head) {
    const std::size_t size = head_size(std::string_view(client.received).substr(0, limits_.head));
    if (size == 0) {
      if (client.received.size() >= limits_.head) {
        return refuse(client, 431, "the head is larger than " + std::to_string(limits_.head) + " bytes");
      }
      if (client.ended) return close(client);
      if (client.received.empty() && client.requests > 0) set_deadline(client, client.since + limits_.idle);
      return look_for(client, EPOLLIN);
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
      static_cast<void>(write_some(client, kContinue, written));
      if (written != kContinue.size()) return close(client);  // nothing was sent before, so there is room
      look_for(client, EPOLLIN);
    }
  }
  if (client.received.size() - client.head_bytes >= client.body_bytes) return queue(client);
  if (client.ended) return close(client);
  look_for(client, EPOLLIN);
}

void Front::Loop::queue(Client& client) {
  const std::size_t body = static_cast<std::size_t>(
      std::min<std::uint64_t>(client.head->content_length, client.received.size() - client.head_bytes));
  if (client.body_bytes > 0) {  // the leave was given here
    std::erase_if(client.head->headers,
                  [](const Header& header) { return equal_ignoring_case(header.name, "Expect"); });
  }
  client.request = to_text(*client.head);
  client.request.append(client.received, client.head_bytes, body);
  client.request.push_back('\0');
  client.received.erase(0, client.head_bytes + body);
  ++client.requests;
  client.may_stay = client.head->keep_alive && client.requests < limits_.requests && client.generation == generation_ &&
                    !stopping_ && !client.ended;
  client.head.reset();
  client.state = State::waiting;
  set_deadline(client, SteadyTime::max());
  look_for(client, 0);
  turns_.add(client.key, &client);
}

void Front::Loop::returned(Client& client) {
  turns_.done(client.key);
  client.request = {};
  if (client.answer.empty()) return linger(client);
  client.stay = client.stay && client.may_stay;
  begin_sending(client);
}

void Front::Loop::refuse(Client& client, int status, const std::string& reason) {
  client.answer = use_.refusal(status, reason);
  client.stay = false;
  begin_sending(client);
}

void Front::Loop::begin_sending(Client& client) {
  client.state = State::sending;
  client.sent = 0;
  client.since = clock_.steady();
  unsent_ += unsent_of(client);
  set_deadline(client, client.since + limits_.request + earned_by(unsent_of(client)));
  send(client);
}

Io Front::Loop::write_some(Client& client, std::string_view bytes, std::size_t& written) {
  while (written < bytes.size()) {
    const std::string_view rest = bytes.substr(written, 1 << 20);
    ssize_t count = 0;
    if (client.session != nullptr) {
      ERR_clear_error();
      const int code = SSL_write(client.session, rest.data(), static_cast<int>(rest.size()));
      if (code <= 0) return judge(client, code);
      count = code;
    } else {
      count = ::send(client.socket, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return Io::failed;
        look_for(client, EPOLLOUT);
        return Io::again;
      }
    }
    written += static_cast<std::size_t>(count);
  }
  return Io::done;
}

void Front::Loop::send(Client& client) {
  for (;;) {
    const bool fixed = client.sent >= client.answer.size();
    const std::size_t before = fixed ? client.answer.size() : 0;
    const std::string_view part = fixed ? client.fixed_answer : std::string_view(client.answer);
    std::size_t written = client.sent - before;
    const Io io = write_some(client, part, written);
    unsent_ -= before + written - client.sent;
    if (before + written > client.sent) client.since = clock_.steady();
    client.sent = before + written;
    if (io == Io::again) return;
    if (io != Io::done) return close(client);
    if (client.sent == client.answer.size() + client.fixed_answer.size()) return sent(client);
  }
}

void Front::Loop::sent(Client& client) {
  client.answer = {};
  client.fixed_answer = {};
  client.sent = 0;
  if (!client.stay || stopping_) return linger(client);
  client.state = State::receiving;
  client.since = clock_.steady();
  if (client.received.empty()) client.received.shrink_to_fit();
  set_deadline(client, client.since + (client.received.empty() ? limits_.idle : limits_.request));
  // The next request may be here already, also inside OpenSSL, where epoll doesn't see it.
  if (client.session != nullptr && SSL_pending(client.session) > 0) return receive(client);
  consider(client);
}

// Closing while the client still sends would reset the connection before it has read the answer.
void Front::Loop::linger(Client& client) {
  if (client.session != nullptr) {
    ERR_clear_error();
    SSL_shutdown(client.session);
  }
  if (shutdown(client.socket, SHUT_WR) != 0) return close(client);
  client.state = State::lingering;
  client.received = {};
  set_deadline(client, clock_.steady() + limits_.linger);
  look_for(client, EPOLLIN);
}

void Front::Loop::close(Client& client) {
  if (client.closed) return;
  unsent_ -= unsent_of(client);
  client.closed = true;
  set_deadline(client, SteadyTime::max());
  look_for(client, 0);
  if (--per_peer_[client.key] == 0) per_peer_.erase(client.key);
  const auto found = clients_.find(&client);
  client.tls.reset();
  client.fd = Fd();
  gone_.push_back(std::move(found->second));
  clients_.erase(found);
}

void Front::Loop::stop() {
  if (std::exchange(stopping_, true)) return;
  listen(false);
  listen_again_ = SteadyTime::max();
  remove_paths(listeners_);
  listeners_.clear();
  close_where([](const Client& client) {
    return client.state != State::answered && client.state != State::sending && client.state != State::lingering;
  });
}

Front::Front(std::vector<Listener> listeners, const FrontLimits& limits, SSL_CTX* tls, Use use)
    : loop_(std::make_unique<Loop>(*this, std::move(listeners), limits, tls, std::move(use))) {}

Front::~Front() {
  finish();
}

void Connection::give_back() {
  Front::Loop* loop = front.loop_.get();
  loop->post([loop, client = static_cast<Client*>(this)] { loop->returned(*client); });
}

void Front::set_tls(SSL_CTX* tls) {
  // Held until the loop has its own reference.
  if (tls != nullptr) SSL_CTX_up_ref(tls);
  loop_->post([this, held = std::shared_ptr<SSL_CTX>(tls, [](SSL_CTX* context) { SSL_CTX_free(context); })] {
    loop_->renew(held.get());
  });
}

void Front::stop() {
  loop_->post([this] { loop_->stop(); });
}

void Front::finish() {
  loop_->finish();
}

}  // namespace wal_exporter::web
