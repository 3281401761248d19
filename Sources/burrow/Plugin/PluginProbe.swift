// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting
import PluginLoading
import PolicyKit
import PolicyKitTesting

/// Loads a library and runs it, in a process that may end with it; for `build` and `test`.
struct PluginProbe: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe", abstract: "Run a plugin and tell of it in lines of JSON.",
        shouldDisplay: false)

    @Argument(help: "The library.")
    var library: String

    @Flag(help: "Put the rules of its kind to each policy.")
    var checks = false

    @Option(help: "Seeds of the random questions.")
    var seeds = 3

    @Option(help: "Questions per rule and seed.")
    var rounds = 1_000

    func run() throws {
        let loaded: PluginLibrary
        let stateFolder = MainActor.assumeIsolated { ManifestReader.stateFolder }
        do throws(PluginError) {
            loaded = try PluginLibrary.load(WorkingFolder.absolute(library), into: stateFolder)
        } catch {
            tell(ProbeLine(.refused, detail: error.description))
            throw ExitCode.failure
        }
        tell(ProbeLine(.loaded, policies: loaded.policies.map(PolicyListing.init(policy:))))
        guard checks else { return }
        for policy in loaded.policies { try check(policy) }
    }

    private func check(_ policy: any Policy.Type) throws {
        let seeds = (1...max(1, seeds)).map(UInt64.init)
        let name = policy.descriptor.type
        let lists = seeds.map { seed in
            PolicyConformance(seed: seed, rounds: max(1, rounds)).checks(of: policy)
        }
        for (index, check) in lists[0].enumerated() {
            tell(ProbeLine(.begun, policy: name, rule: check.rule, meaning: check.meaning))
            if index > 0, Self.readsFiles(policy) {
                var line = ProbeLine(.ended, policy: name, rule: check.rule)
                line.skipped =
                    "the gate is made from files: its own tests give the kit some, with "
                    + "`violations(of:sources:)`"
                tell(line)
                continue
            }
            let violation = lists.lazy.compactMap { $0[index].run() }.first
            tell(ProbeLine(.ended, policy: name, rule: check.rule, detail: violation?.description))
        }
        let meaning = "a call takes no longer than the host allows"
        tell(ProbeLine(.begun, policy: name, rule: ProbeLine.time, meaning: meaning))
        var line = ProbeLine(.ended, policy: name, rule: ProbeLine.time)
        let kit = PolicyConformance(seed: 1, rounds: max(1, rounds))
        if let times = try? kit.callTimes(of: policy, clock: Self.processorTime) {
            line.p99 = times.isEmpty ? nil : times[times.count * 99 / 100].inSeconds
            line.skipped = times.isEmpty ? "calls of this kind have no limit" : nil
        } else {
            line.skipped = "not measured, as a call failed"
        }
        tell(line)
    }

    /// Whether gates are made from files, of which the random mixtures of the kit have none.
    private static func readsFiles(_ policy: any Policy.Type) -> Bool {
        let parameters = PolicyListing(policy: policy).parameters
        return policy.kind == .gating && parameters.contains { $0.type == "path" }
    }

    private func tell(_ line: ProbeLine) {
        guard let bytes = try? JSONEncoder().encode(line) else { return }
        FileHandle.standardOutput.write(bytes + Data("\n".utf8))
    }

    /// What this thread has used: how long the system lets it wait is not the policy's fault.
    private static func processorTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    /// The policies of a library, as it says when it is run in a process of its own.
    ///
    /// Complains and ends where it cannot be.
    static func described(_ library: String) throws -> [PolicyListing] {
        var policies: [PolicyListing]?
        var refusal: String?
        let end = try ProbeProcess.run([library], timeout: .seconds(60)) { line in
            if line.event == .loaded { policies = line.policies }
            if line.event == .refused { refusal = line.detail }
        }
        if let policies, end == .exited(0) { return policies }
        complain(refusal ?? "\(library): \(end.text) while it was loaded")
        throw ExitCode.failure
    }
}

/// What a probe tells, a line at a time.
struct ProbeLine: Codable, Equatable {
    enum Event: String, Codable { case loaded, refused, begun, ended }

    /// The rule of the time budget, which is no rule of the kit.
    static let time = "time"

    var event: Event
    var policies: [PolicyListing]?
    var policy: String?
    var rule: String?
    var meaning: String?
    /// Why it was refused, or how the rule was broken.
    var detail: String?
    /// Why the rule was not put to it.
    var skipped: String?
    /// Seconds that 99 of 100 calls do not exceed.
    var p99: Double?

    init(
        _ event: Event, policies: [PolicyListing]? = nil, policy: String? = nil,
        rule: String? = nil, meaning: String? = nil, detail: String? = nil
    ) {
        self.event = event
        self.policies = policies
        self.policy = policy
        self.rule = rule
        self.meaning = meaning
        self.detail = detail
    }
}
