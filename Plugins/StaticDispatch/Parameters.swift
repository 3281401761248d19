// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension StaticDispatch {
    struct Parameters: PolicyParameters {
        @Parameter("On how many replicas each adapter is.", in: 1...1024)
        var copies: Int = 1
    }
}
