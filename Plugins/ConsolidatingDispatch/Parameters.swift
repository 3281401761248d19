// SPDX-License-Identifier: Apache-2.0

import PolicyKit

extension ConsolidatingDispatch {
    struct Parameters: PolicyParameters {
        @Parameter(
            "Tokens of a KV page, by which the pages of a prompt are counted.", in: 1...4_096)
        var pageTokens: Int = 16
    }
}
