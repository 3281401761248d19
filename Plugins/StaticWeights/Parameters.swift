// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension StaticWeights {
    enum Mode: String, ParameterChoice {
        case linear
        case normalized
        case listed
    }

    struct Parameters: PolicyParameters {
        @Parameter("Each expert with 1, each with 1/N, or as `weights` says.")
        var mode = Mode.normalized

        @Parameter("With the mode `listed`: one number for each expert, as '0.5, 0.3, 0.2'.")
        var weights = ""
    }
}
