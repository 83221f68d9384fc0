// Whose request a worker answers next: in turn by peer, so that one peer's many requests hold up no other's.
//
// A peer that has requests being answered may have at most half of the workers that the others leave free,
// so that a worker is left for a peer that comes anew, as long as there are a few of them. Each call costs O(log n) in
// the peers. For one thread.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <string>

namespace wal_exporter::web {

template <typename Item>
class Turns {
 public:
  explicit Turns(std::size_t workers) : workers_(workers) {}

  void add(const std::string& peer, Item item) {
    auto& queue = peers_[peer].waiting;
    if (queue.empty()) order_.push_back(peer);
    queue.push_back(item);
  }

  // The item whose turn it is, which then counts as being answered; Item{}: none may go now.
  [[nodiscard]] Item next() {
    for (std::size_t left = order_.size(); left > 0; --left) {
      const std::string name = std::move(order_.front());
      order_.pop_front();
      Peer& peer = peers_[name];
      if (!may_go(peer)) {
        order_.push_back(name);
        continue;
      }
      Item item = peer.waiting.front();
      peer.waiting.pop_front();
      ++peer.answered;
      ++answered_;
      if (!peer.waiting.empty()) order_.push_back(name);
      return item;
    }
    return Item{};
  }

  // An item of next() was answered.
  void done(const std::string& peer) {
    --answered_;
    const auto found = peers_.find(peer);
    if (--found->second.answered == 0 && found->second.waiting.empty()) peers_.erase(found);
  }

  [[nodiscard]] bool waiting() const { return !order_.empty(); }
  [[nodiscard]] std::size_t answered() const { return answered_; }

 private:
  struct Peer {
    std::deque<Item> waiting;
    std::size_t answered = 0;
  };

  [[nodiscard]] bool may_go(const Peer& peer) const {
    if (answered_ >= workers_) return false;
    const std::size_t left_by_others = workers_ - (answered_ - peer.answered);
    return peer.answered == 0 || peer.answered < left_by_others / 2;
  }

  const std::size_t workers_;
  std::size_t answered_ = 0;
  std::map<std::string, Peer> peers_;
  std::deque<std::string> order_;  // the peers that wait
};

}  // namespace wal_exporter::web
