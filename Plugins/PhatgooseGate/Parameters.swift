// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension PhatgooseGate {
    struct Parameters: PolicyParameters {
        @Parameter("Experts at most that have a weight at a matrix.", in: 1...64)
        var topK: Int = 2

        @Parameter(
            "Divides the likeness before the softmax: the higher, the more alike.", in: 1e-3...1e4)
        var temperature: Double = 1
    }
}
