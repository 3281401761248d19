// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension MoLEGate {
    struct Parameters: PolicyParameters {
        @Parameter("The folder with mole_config.json and mole_gate.safetensors.")
        var gate = ParameterPath("")
    }
}
