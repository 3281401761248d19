// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension XLoRAGate {
    struct Parameters: PolicyParameters {
        @Parameter("The folder with adapter_config.json and adapter_model.safetensors of PEFT.")
        var gate = ParameterPath("")

        @Parameter(
            """
            Whether the mixture lists its experts in the order of the training, where that is not the \
            alphabetical one in which PEFT writes them.
            """)
        var trustOrder = false
    }
}
