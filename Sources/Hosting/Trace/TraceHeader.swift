// SPDX-License-Identifier: Apache-2.0

package import PolicyKit
package import Scheduling

/// The first line of a decision trace: what is needed to make the same policies again.
nonisolated package struct TraceHeader: Sendable, Equatable {
    /// Names the format; a reader refuses one that it does not know.
    package static let format = "burrow-decisions/2"

    package var version: String
    package var host: String
    package var replica: Int
    package var batching: Policy
    package var fairness: Policy

    package init(
        version: String, host: String, replica: Int, batching: Policy, fairness: Policy
    ) {
        self.version = version
        self.host = host
        self.replica = replica
        self.batching = batching
        self.fairness = fairness
    }

    /// A policy as it was made, and what it knew when the recording began.
    package struct Policy: Sendable, Equatable {
        package var name: String
        package var type: String
        package var parameters: [String: ParameterValue]
        package var seed: UInt64
        package var state: PolicyState?

        /// Set where it is to be asked in a process of its own; a recording does not say.
        package var isolatedMemory: ByteCount?

        /// How often it had been asked before the recording.
        package var calls = 0

        package init(
            name: String, type: String, parameters: [String: ParameterValue], seed: UInt64
        ) {
            self.name = name
            self.type = type
            self.parameters = parameters
            self.seed = seed
        }
    }
}

/// What a line of a decision trace that is not its header says.
nonisolated package enum TraceLine: Sendable {
    /// An adapter that later lines may name.
    case adapter(AdapterID, name: String)
    case record(DecisionRecord)

    /// The recording has ended, and why.
    case end(String, decisions: Int)
}

/// Why a trace cannot be read or replayed.
nonisolated package struct TraceError: Error, Sendable, CustomStringConvertible {
    /// The line, from 1; 0 where it is no single one.
    package var line: Int
    package var message: String

    package init(_ message: String, line: Int = 0) {
        self.line = line
        self.message = message
    }

    package var description: String { line > 0 ? "line \(line): \(message)" : message }
}

nonisolated extension RequestSnapshot {
    /// Whether every field is the same.
    func isSame(as other: RequestSnapshot) -> Bool {
        id == other.id && adapter == other.adapter && tenant == other.tenant
            && phase == other.phase && isAdapterResident == other.isAdapterResident
            && adapterRank == other.adapterRank && adapterWeight == other.adapterWeight
            && tenantWeight == other.tenantWeight && arrival == other.arrival
            && firstTokenDeadline == other.firstTokenDeadline
            && promptTokens == other.promptTokens && computedTokens == other.computedTokens
            && generatedTokens == other.generatedTokens && maximumTokens == other.maximumTokens
            && undividedTokens == other.undividedTokens
    }
}
