// SPDX-License-Identifier: Apache-2.0

import CIsolation
import Glibc
import PolicyKit
import Scheduling
import Testing

@testable import PluginLoading
@testable import PolicyIsolation

/// What a policy in a process of its own may do without hurting the host.
@Suite(.serialized) struct MisbehaviourTests {
    /// A batching policy that plans the first request, and misbehaves from its third question on.
    private static func plugin(_ body: String) -> String {
        PluginSource.swift(
            body: """
                asked += 1
                if asked > 2 { \(body) }
                plan.entries = [BatchPlan.Entry(index: 0, tokens: 1)]
                """,
            extra: """
                nonisolated(unsafe) var asked = 0
                nonisolated(unsafe) var hoard: [[UInt8]] = []
                nonisolated(unsafe) var spin = 0
                """
        ).replacing("import PolicyKit", with: "import Glibc\nimport PolicyKit")
    }

    static let misdeeds: [(name: String, body: String, says: String)] = [
        ("endless loop", "while true { spin &+= 1 }", "did not answer in time"),
        ("trap", "plan.entries[spin].tokens = 1", "ended by signal"),
        ("bad address", "UnsafeMutablePointer<Int>(bitPattern: 8)!.pointee = 1", "ended by signal"),
        (
            "memory hog",
            "while true { hoard.append([UInt8](repeating: 1, count: 1 << 20)) }",
            "ended by signal"
        ),
        ("exit", "exit(3)", "ended with 3"),
        (
            "garbage",
            "var text = [UInt8](repeating: 7, count: 64); write(3, &text, 64)", "is no frame"
        ),
        (
            "wrong number",
            """
            var text: [UInt8] = [0x42, 0x50, 0x46, 0x31, 9, 9, 9, 9, 1, 0, 0, 0, 0]
            write(3, &text, 13)
            """, "it answered question"
        ),
    ]

    @Test(arguments: misdeeds.indices)
    func eachMisdeedCostsStrikesAndTheDefaultTakesOver(index: Int) throws {
        let misdeed = Self.misdeeds[index]
        let folder = try TemporaryFolder()
        _ = try Toolchain.buildSwift(Self.plugin(misdeed.body), module: "Misdeed", in: folder)
        var policies = try IsolatedPolicies(of: [folder.path])
        // A busy machine takes its time to bury a child.
        policies.settings.deadline =
            misdeed.name == "endless loop" ? .milliseconds(500) : .seconds(60)
        let policy = try policies.make(
            "sample-batching", as: (any BatchingPolicy).self, memory: ByteCount(256 << 20))
        let memory = Self.residentBytes
        var loop = ServingLoop(
            nil, batching: policy, plansAhead: false,
            limits: BatchLimits(requests: 4, tokens: 64, freePages: 64, pageTokens: 16))
        let requests = (1...3).map { loop.ask(UInt32($0), prompt: 4, output: 8) }
        var steps = 0
        while loop.step(), steps < 500 { steps += 1 }
        // The built-in default has served all to the end.
        #expect(loop.scheduler.snapshots.isEmpty)
        #expect(Set(loop.firstTokens.keys) == Set(requests))
        let status = loop.scheduler.policyStatuses.first { $0.kind == .batching }
        #expect(status?.fallBacks == 1, "\(misdeed.name)")
        #expect(status?.strikes == 3)
        let message = try #require(status?.lastStrike?.message)
        // On a busy machine a child that has ended is killed before its end can be read.
        let says = [misdeed.says, "its process was killed"]
        #expect(says.contains { message.contains($0) }, "\(misdeed.name): \(message)")
        // Other tests of this process take some, too.
        #expect(Self.residentBytes - memory < 200 << 20)
    }

    private static var residentBytes: Int {
        var pages = (0, 0)
        guard let file = fopen("/proc/self/statm", "re") else { return 0 }
        defer { fclose(file) }
        withUnsafeMutablePointer(to: &pages.0) { first in
            withUnsafeMutablePointer(to: &pages.1) { second in
                withVaList([first, second]) { _ = vfscanf(file, "%ld %ld", $0) }
            }
        }
        return pages.1 * 4096
    }

    @Test func aPolicyThatDiedIsStartedAgainWithItsState() throws {
        let folder = try TemporaryFolder()
        let source = """
            import Glibc
            \(PluginSource.swift(
                body: """
                    if requests.count == 2 { exit(1) }
                    count += 1
                    plan.reason = "\\(count)"
                    """,
                extra: "")
                .replacing("public init(parameters: Parameters, seed: UInt64)", with: """
                    var count = 0
                    public func exportState() -> PolicyState? {
                        PolicyState(schema: "count/1", bytes: [UInt8(count)])
                    }
                    public func importState(_ state: PolicyState) throws(PolicyError) {
                        count = Int(state.bytes[0])
                    }
                    public init(parameters: Parameters, seed: UInt64)
                    """))
            """
        _ = try Toolchain.buildSwift(source, module: "Counting", in: folder)
        let policies = try IsolatedPolicies(of: [folder.path])
        let policy = try policies.make("sample-batching", as: RemoteBatchingPolicy.self)
        let context = BatchingContext(
            now: Instant(nanoseconds: 0),
            limits: BatchLimits(requests: 4, tokens: 64, freePages: 64, pageTokens: 16))
        let (one, two) = (RequestQueue([(0, 1)]).requests, RequestQueue([(0, 2)]).requests)
        #expect(try policy.plan(one, in: context).reason == "1")
        #expect(policy.exportState()?.bytes == [1])
        #expect(throws: PolicyError.self) { try policy.plan(two, in: context) }
        #expect(try Self.answerAfterRestart(policy, one, context).reason == "2")
        #expect(policy.connection.counts == .init(restarts: 1, statesLost: 0))
        // The second time it waits.
        #expect(throws: PolicyError.self) { try policy.plan(two, in: context) }
        #expect(policy.connection.processIdentifier == nil)
    }

    /// Asks until the new process stands: each call before says that it does not.
    private static func answerAfterRestart(
        _ policy: RemoteBatchingPolicy, _ requests: [RequestSnapshot], _ context: BatchingContext
    ) throws -> BatchPlan {
        let end = ContinuousClock.now + .seconds(60)
        while true {
            do throws(PolicyError) {
                return try policy.plan(requests, in: context)
            } catch {
                guard ContinuousClock.now < end, error.description.contains("started again") else {
                    throw error
                }
                sched_yield()
            }
        }
    }

    @Test func aPolicyInAProcessOfItsOwnReachesNobody() throws {
        let folder = try TemporaryFolder()
        let source = Self.plugin(
            """
            let made = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            plan.reason = made < 0 ? "socket refused, " : "socket made, "
            plan.reason += kill(getppid(), 0) == 0 ? "signal sent, " : "signal refused, "
            plan.reason += fcntl(4, F_GETFD) < 0 ? "no file" : "a file"
            return
            """)
        _ = try Toolchain.buildSwift(source, module: "Reaching", in: folder)
        let policies = try IsolatedPolicies(of: [folder.path])
        let policy = try policies.make("sample-batching", as: (any BatchingPolicy).self)
        let context = BatchingContext(
            now: Instant(nanoseconds: 0),
            limits: BatchLimits(requests: 4, tokens: 64, freePages: 64, pageTokens: 16))
        let requests = RequestQueue([(0, 1)]).requests
        for _ in 0..<2 { _ = try policy.plan(requests, in: context) }
        #expect(
            try policy.plan(requests, in: context).reason
                == "socket refused, signal refused, no file")
    }

    /// Even one that never comes back from a question ends when the host's end of the channel does.
    @Test func aProcessEndsWithItsHost() throws {
        let folder = try TemporaryFolder()
        _ = try Toolchain.buildSwift(
            Self.plugin("").replacing("if asked > 2 {  }", with: "while true { spin &+= 1 }"),
            module: "Endless", in: folder)
        let policies = try IsolatedPolicies(of: [folder.path])
        let library = try #require(try policies.registry.loadedLibrary(of: "sample-batching"))
        let recipe = PolicyRecipe(
            library: library, type: "sample-batching", memory: 64 << 20)
        let process = try PolicyConnection.start(recipe, policies.settings)
        let deadline = process.startedAt.advanced(by: .seconds(120))
        let greeting: Answer<PolicyConnection.Greeting> = try PolicyConnection.answer(
            to: 0, from: process, until: deadline)
        _ = try greeting.result.get()
        var question = Question(.plan)
        question.frame.put(RequestQueue([(0, 1)]).requests)
        question.frame.put(
            BatchingContext(
                now: Instant(nanoseconds: 0),
                limits: BatchLimits(requests: 4, tokens: 64, freePages: 64, pageTokens: 16)))
        try process.channel.send(question.frame.finished(sequence: 1))
        #expect(throws: ChannelFault.self) {
            _ = try process.channel.receive(
                until: MonotonicClock.now.advanced(by: .milliseconds(200)))
        }
        shutdown(process.channel.file, CInt(SHUT_RDWR))
        var status: CInt = -1
        #expect(burrow_isolation_await(process.identifier, 60_000, &status) == 1)
        #expect(status == 0)
    }

    @Test func whatAPolicyUsesElsewhereIsOnItsAccount() throws {
        let folder = try TemporaryFolder()
        let source = PluginSource.swift(
            body: """
                let start = clock()
                while clock() - start < 20_000 {}
                """
        ).replacing("import PolicyKit", with: "import Glibc\nimport PolicyKit")
        _ = try Toolchain.buildSwift(source, module: "Slow", in: folder)
        let policies = try IsolatedPolicies(of: [folder.path])
        let policy = try policies.make("sample-batching", as: (any BatchingPolicy).self)
        let context = BatchingContext(
            now: Instant(nanoseconds: 0),
            limits: BatchLimits(requests: 4, tokens: 64, freePages: 64, pageTokens: 16))
        let before = RemotePolicyTime.nanoseconds
        _ = try policy.plan(RequestQueue([(0, 1)]).requests, in: context)
        #expect(RemotePolicyTime.nanoseconds - before >= 19_000_000)
    }

    @Test func whatCannotBeIsolatedIsRefusedByName() throws {
        let policies = try IsolatedPolicies()
        #expect {
            try policies.registry.makeIsolated("mole-gate", seed: 0, settings: policies.settings)
        } throws: { error in
            (error as? PluginError)?.code == .notIsolable && "\(error)".contains("compute thread")
        }
        let builtIn = try PolicyRegistry(builtIn: BuiltInPolicies.all)
        #expect {
            try builtIn.makeIsolated("fcfs-unmerged", seed: 0, settings: policies.settings)
        } throws: { error in
            "\(error)".contains("built in")
        }
        #expect {
            try policies.registry.makeIsolated(
                "dlora-batching", values: ["alpha": .string("x")], seed: 0,
                settings: policies.settings)
        } throws: { error in
            (error as? PluginError)?.code == .refusedParameters
        }
    }
}
