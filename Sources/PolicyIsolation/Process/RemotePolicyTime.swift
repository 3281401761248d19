// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Synchronization

/// Processor time that policies in processes of their own have used for answers.
///
/// Added to the time of the thread that asks, it makes a clock by which a call costs what the policy
/// used, wherever that runs. What is solved aside is not in it, as nobody waits for that.
package enum RemotePolicyTime {
    private static let total = Atomic<Int64>(0)

    package static var nanoseconds: Int64 { total.load(ordering: .relaxed) }

    /// The process says itself what it used, so it is believed within bounds.
    static func add(_ nanoseconds: Int64, atMost most: Duration) {
        let counted = min(max(0, nanoseconds), most.saturatingNanoseconds)
        total.wrappingAdd(counted, ordering: .relaxed)
    }
}
