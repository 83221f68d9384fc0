#include "paths.h"

namespace walx::tests {

const char* const kFixtures = WALX_SOURCE "/tests/fixtures";
const char* const kSource = WALX_SOURCE;

}  // namespace walx::tests
