#include "memory_meter.h"

#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

namespace wal_exporter::simulation {
namespace {

thread_local bool t_inside = false;
thread_local Held t_held;

}  // namespace

Held held_by_control() {
  return t_held;
}

InsideControl::InsideControl() : before_(std::exchange(t_inside, true)) {}
InsideControl::~InsideControl() {
  t_inside = before_;
}
OutsideControl::OutsideControl() : before_(std::exchange(t_inside, false)) {}
OutsideControl::~OutsideControl() {
  t_inside = before_;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WAL_EXPORTER_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WAL_EXPORTER_SANITIZED
#endif
#endif

#ifndef WAL_EXPORTER_SANITIZED
namespace {

// In front of each block: its size where it is counted, else 0.
constexpr std::size_t kHeader = alignof(std::max_align_t);

void* allocate(std::size_t size) {
  auto* block = static_cast<std::size_t*>(std::malloc(size + kHeader));
  if (block == nullptr) throw std::bad_alloc();
  *block = t_inside ? size + 1 : 0;
  if (t_inside) {
    ++t_held.blocks;
    t_held.bytes += static_cast<std::int64_t>(size);
  }
  return reinterpret_cast<char*>(block) + kHeader;
}

void release(void* pointer) {
  if (pointer == nullptr) return;
  auto* block = reinterpret_cast<std::size_t*>(static_cast<char*>(pointer) - kHeader);
  if (*block != 0) {
    --t_held.blocks;
    t_held.bytes -= static_cast<std::int64_t>(*block - 1);
  }
  std::free(block);
}

}  // namespace
#endif

}  // namespace wal_exporter::simulation

#ifndef WAL_EXPORTER_SANITIZED
void* operator new(std::size_t size) {
  return wal_exporter::simulation::allocate(size);
}
void* operator new[](std::size_t size) {
  return wal_exporter::simulation::allocate(size);
}
void operator delete(void* pointer) noexcept {
  wal_exporter::simulation::release(pointer);
}
void operator delete[](void* pointer) noexcept {
  wal_exporter::simulation::release(pointer);
}
void operator delete(void* pointer, std::size_t /*size*/) noexcept {
  wal_exporter::simulation::release(pointer);
}
void operator delete[](void* pointer, std::size_t /*size*/) noexcept {
  wal_exporter::simulation::release(pointer);
}
#endif
