// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import PolicyKitTesting
import Testing

@testable import PolicyIsolation

struct FrameTests {
    /// How a value of one type is made and read, for tables of types.
    struct Trial: CustomTestStringConvertible {
        let testDescription: String
        let write: (inout RandomValues) -> (text: String, bytes: [UInt8])
        let read: ([UInt8]) throws(PolicyError) -> String

        init<Value: FrameValue>(
            _ name: String, _ make: @escaping (inout RandomValues) -> Value
        ) {
            testDescription = name
            write = { values in
                let value = make(&values)
                var frame = FrameWriter()
                frame.put(value)
                return (Self.text(of: value), frame.payload)
            }
            read = { bytes throws(PolicyError) in
                var frame = FrameReader(bytes)
                let value: Value = try frame.value()
                try frame.end()
                return Self.text(of: value)
            }
        }

        /// All fields, the members of sets in order.
        private static func text(of value: Any) -> String {
            if let set = value as? Set<AdapterID> { return "\(set.sorted())" }
            if let values = value as? [String: ParameterValue] {
                return "\(values.sorted { $0.key < $1.key })"
            }
            let children = Mirror(reflecting: value).children
            if children.isEmpty { return "\(value)" }
            let parts = children.map { "\($0.label ?? ""):\(text(of: $0.value))" }
            return "\(type(of: value))(\(parts.joined(separator: ",")))"
        }
    }

    static var trials: [Trial] {
        [
            Trial("recipe") { $0.recipe() }, Trial("parameter") { $0.parameter() },
            Trial("state") { $0.state() }, Trial("requests") { $0.list { $0.request() } },
            Trial("batching context") { $0.batchingContext() }, Trial("plan") { $0.plan() },
            Trial("step") { $0.step() }, Trial("fairness context") { $0.fairnessContext() },
            Trial("arrangement") { $0.arrangement() }, Trial("settlement") { $0.settlement() },
            Trial("replicas") { $0.list { $0.replicaSnapshot() } }, Trial("fleet") { $0.fleet() },
            Trial("adapters") { $0.list { $0.adapterSnapshot() } },
            Trial("proposal") { $0.proposal() }, Trial("outcome") { $0.outcome() },
        ]
    }

    @Test(arguments: trials.indices)
    func aValueComesOutAsItWentIn(index: Int) throws {
        let trial = Self.trials[index]
        var values = RandomValues(seed: 1)
        for _ in 0..<100 {
            let (text, bytes) = trial.write(&values)
            #expect(try trial.read(bytes) == text, "\(trial.testDescription)")
        }
    }

    /// Reading ends with a value or an error, never with a trap.
    @Test(arguments: trials.indices)
    func damagedBytesAreReadToTheEndOrRefused(index: Int) {
        let trial = Self.trials[index]
        var values = RandomValues(seed: 2)
        var refused = 0
        for _ in 0..<200 {
            var (_, bytes) = trial.write(&values)
            switch values.next(0...2) {
            case 0: bytes.removeLast(min(bytes.count, values.next(1...8)))
            case 1: bytes = (0..<bytes.count).map { _ in values.next(0...255) }
            default: break
            }
            for _ in 0..<values.next(0...4) {
                guard !bytes.isEmpty else { break }
                bytes[values.next(0...bytes.count - 1)] = values.next(0...255)
            }
            do throws(PolicyError) { _ = try trial.read(bytes) } catch { refused += 1 }
        }
        #expect(refused > 20, "\(trial.testDescription)")
    }

    @Test func answersAreReadWhateverTheyAre() {
        var values = RandomValues(seed: 3)
        for _ in 0..<2_000 {
            let bytes = (0..<values.next(0...64)).map { _ in values.next(0...255) as UInt8 }
            _ = try? Answer<BatchPlan>(bytes)
            _ = try? Answer<SentProposal>(bytes)
            var policy = PolicyAnswering(Silent())
            _ = policy.reply(to: bytes)
        }
    }

    @Test func aClaimOfManyValuesTakesNoMemory() {
        var frame = FrameWriter()
        frame.put(UInt32.max)
        var reader = FrameReader(frame.payload)
        #expect(throws: PolicyError.self) { try reader.value([RequestSnapshot].self) }
    }

    /// A field that is new in PolicyKit must be written and read, and stand here.
    @Test func framesKnowEveryField() {
        var values = RandomValues(seed: 4)
        let counts: [(Any, Int)] = [
            (values.request(), 15), (values.limits(), 5), (values.work(), 6),
            (values.costs(), 12), (values.batchingContext(), 8), (values.plan(), 4),
            (values.step(), 9), (values.fairnessContext(), 5), (values.arrangement(), 6),
            (values.settlement(), 4), (values.replicaSnapshot(), 14), (values.fleet(), 5),
            (FleetReplica(load: values.replicaSnapshot()), 7),
            (FleetAdapter(id: .base, bytes: 0), 5), (MigrationPlan(), 2),
            (FleetRequest(request: values.request(), replica: values.replica()), 4),
            (values.adapterSnapshot(), 6), (values.outcome(), 6), (MergedCopiesSnapshot(), 3),
        ]
        for (value, count) in counts {
            #expect(Mirror(reflecting: value).children.count == count, "\(type(of: value))")
        }
    }
}

/// Plans nothing.
private final class Silent: BatchingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(type: "silent", version: "1.0.0", summary: "Plans nothing.")
    }

    init() {}
    init(parameters: NoParameters, seed: UInt64) throws(PolicyError) {}

    func plan(
        _ requests: Span<RequestSnapshot>, in context: BatchingContext, into plan: inout BatchPlan
    ) throws(PolicyError) {}
}
