// The table of rotary positions: cosines and sines by a config's base and scaling.
#pragma once

#include <vector>

#include "model/config.h"

namespace loquat {

// [max_positions, R], R = rotary_dim: the cosines of each position's R/2 angles, then their sines, by double
// arithmetic. `kind` is kGlobal or kLocal.
std::vector<float> rope_table(const ModelConfig& config, LayerRope kind);

}  // namespace loquat
