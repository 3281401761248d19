// SPDX-License-Identifier: Apache-2.0

package import PolicyKit
import Synchronization

/// A policy whose decisions are made in a process of its own.
///
/// It throws where the process is late, gone or unintelligible, as a policy in this process would
/// that cannot answer.
package protocol RemotePolicy: Policy where Parameters == NoParameters {}

/// What remote policies of all kinds share: which type they stand for is known to their recipe.
protocol ConnectedPolicy: RemotePolicy {
    var connection: PolicyConnection { get }

    init(_ connection: PolicyConnection)
}

extension ConnectedPolicy {
    static var unmade: PolicyError {
        PolicyError("a policy in a process of its own is made from a recipe")
    }
}

extension RemotePolicy {
    package static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "remote-policy", version: "1.0.0",
            summary: "Stands for a policy in a process of its own.")
    }
}

extension PolicyConnection {
    func exportState() -> PolicyState? {
        guard let state = try? ask(Question(.exportState), as: PolicyState?.self) else {
            return kept.withLock { $0 }
        }
        kept.withLock { $0 = state }
        return state
    }

    func importState(_ state: PolicyState) throws(PolicyError) {
        var question = Question(.importState, capacity: state.bytes.count + 64)
        question.frame.put(state)
        _ = try ask(question, as: Acknowledgement.self)
        kept.withLock { $0 = state }
    }
}
