// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Spelling

/// What holds between distant parts of a policy test: names that differ, and names that are known.
struct PolicyTestRules {
    /// More requests, and more adapters, than these are refused.
    static let mostRequests = 1024
    /// No test lasts longer.
    static let mostSteps = 100_000

    let test: PolicyTest

    private var given: PolicyTest.Given { test.spec.given }
    private var expect: PolicyTest.Expectations { test.spec.expect }

    func check(_ reading: inout Reading) {
        checkPolicies(&reading)
        let path = "spec.given"
        let adapters = distinct(given.adapters.map(\.name), "adapter", "\(path).adapters", &reading)
        let tenants = distinct(given.tenants.map(\.name), "tenant", "\(path).tenants", &reading)
        let classes = distinct(
            given.serviceClasses.map(\.name), "service class", "\(path).serviceClasses", &reading)
        let requests = distinct(
            given.requests.map(\.id), "request", "\(path).requests", &reading, key: "id")
        for (index, request) in given.requests.enumerated() {
            let path = "\(path).requests[\(index)]"
            check(request.adapter, among: adapters, "adapter", "\(path).adapter", &reading)
            check(request.tenant, among: tenants, "tenant", "\(path).tenant", &reading)
            check(request.serviceClass, among: classes, "service class", "\(path).class", &reading)
        }
        for (index, adapter) in given.adapters.enumerated() {
            let path = "\(path).adapters[\(index)]"
            for replica in adapter.resident { check(replica, "\(path).resident", &reading) }
            for replica in adapter.merged { check(replica, "\(path).merged", &reading) }
        }
        checkExpectations(requests, adapters, &reading)
    }

    // MARK: - Policies

    private func checkPolicies(_ reading: inout Reading) {
        var manifest = Manifest()
        manifest.spec.plugins.instances = test.spec.policies.instances
        let rules = ManifestRules(manifest: manifest, presets: nil)
        rules.checkInstanceNames(in: "spec.policies.instances", &reading)
        guard let pipeline = test.spec.policies.pipeline else {
            if let instance = test.spec.policies.instances.first {
                reading.report(
                    "instances are asked nothing without a pipeline: name them there",
                    at: instance.name.position, path: "spec.policies.instances")
            }
            return
        }
        for kind in PolicyKind.pipeline {
            rules.check(
                pipeline.reference(to: kind), kind,
                path: "spec.policies.pipeline.\(kind.rawValue)", &reading)
        }
    }

    // MARK: - Expectations

    private func checkExpectations(
        _ requests: [String], _ adapters: [String], _ reading: inout Reading
    ) {
        let path = "spec.expect"
        for (key, names) in [
            ("order", expect.order), ("aborted", expect.aborted), ("refused", expect.refused),
        ] {
            check(names, among: requests, "request", "\(path).\(key)", &reading)
        }
        check(expect.evicted, among: adapters, "adapter", "\(path).evicted", &reading)
        for (index, iteration) in expect.iterations.enumerated() {
            let path = "\(path).iterations[\(index)]"
            check(iteration.replica, "\(path).replica", &reading)
            check(iteration.runs, among: requests, "request", "\(path).runs", &reading)
            if let mode = iteration.mode, let adapter = mode.value.adapter {
                check(
                    Located(adapter, at: mode.position), among: adapters, "adapter", "\(path).mode",
                    &reading)
            }
        }
        for entry in expect.replicas {
            check(entry.name, among: requests, "request", "\(path).replicas", &reading)
            check(entry.value, "\(path).replicas.\(entry.name.value.excerpt)", &reading)
        }
        for (index, move) in (expect.migrations?.value ?? []).enumerated() {
            let path = "\(path).migrations[\(index)]"
            check(move.request, among: requests, "request", "\(path).request", &reading)
            check(move.to, "\(path).to", &reading)
        }
        for entry in expect.firstToken {
            check(entry.name, among: requests, "request", "\(path).firstToken", &reading)
            let request = given.requests.first { $0.id.value == entry.name.value }
            if let request, request.generated.value > 0 {
                reading.report(
                    "'\(entry.name.value)' has its first token when it comes",
                    at: entry.name.position, path: "\(path).firstToken")
            }
        }
        for entry in expect.finished {
            check(entry.name, among: requests, "request", "\(path).finished", &reading)
        }
        for entry in expect.metrics {
            check(
                entry.name, among: PolicyTest.Metric.allCases.map(\.rawValue), "metric",
                "\(path).metrics", &reading)
        }
    }

    // MARK: - Names

    /// Reports names that come twice.
    ///
    /// - Returns: all of them.
    private func distinct(
        _ names: [Located<String>], _ what: String, _ path: String, _ reading: inout Reading,
        key: String = "name"
    ) -> [String] {
        var lines: [String: Int] = [:]
        for (index, name) in names.enumerated() {
            guard let position = name.position else { continue }
            if let line = lines[name.value] {
                reading.report(
                    "'\(name.value)' is the name of another \(what), at line \(line)", at: position,
                    path: "\(path)[\(index)].\(key)")
            } else {
                lines[name.value] = position.line
            }
        }
        return names.map(\.value)
    }

    private func check(
        _ names: Located<[String]>?, among known: [String], _ what: String, _ path: String,
        _ reading: inout Reading
    ) {
        for name in names?.value ?? [] {
            check(Located(name, at: names?.position), among: known, what, path, &reading)
        }
    }

    private func check(
        _ name: Located<String>?, among known: [String], _ what: String, _ path: String,
        _ reading: inout Reading
    ) {
        guard let name, let position = name.position, !known.contains(name.value) else { return }
        let meant = nearestName(to: name.value, among: known)
        let list = known.isEmpty ? "; there is none" : "; known: \(known.listed)"
        reading.report(
            "no \(what) is called '\(name.value.excerpt)'\(meant == nil ? list : "")",
            at: position, path: path, suggestion: meant)
    }

    private func check(_ replica: Located<Int>, _ path: String, _ reading: inout Reading) {
        let count = given.replicas.count.value
        guard let position = replica.position, replica.value >= count else { return }
        reading.report(
            "there is no replica \(replica.value): the test has \(count), from 0", at: position,
            path: path)
    }
}

extension PolicyTest.Mode {
    /// The adapter whose merged copy is used.
    var adapter: String? {
        switch self {
        case .unmerged: nil
        case .merged(let adapter), .mixed(let adapter): adapter
        }
    }
}
