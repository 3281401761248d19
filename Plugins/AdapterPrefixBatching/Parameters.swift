// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension AdapterPrefixBatching {
    /// How the weights of the adapter that runs are used.
    enum Mode: String, ParameterChoice {
        /// Beside the pristine weights, as PEFT does.
        case unmerged
        /// Folded into a copy of the weights, as a model that was merged before it was served.
        case merged
    }

    struct Parameters: PolicyParameters {
        @Parameter(
            """
            Run the adapter beside the pristine weights, as PEFT does, or merged into a copy of them, \
            as vLLM with a whole model for each adapter.
            """)
        var mode: Mode = .unmerged
    }
}
