// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hosting
import ManifestLoading
import PolicyKit
import Simulation
import StrictJSON
import Workloads

/// Serves a recorded workload with the policies of two manifests, from the same libraries that serve.
struct EffectForecast {
    var workload: ObservedWorkload
    var costs: SimulatedCosts

    /// Sizes that the manifests do not have; the number of adapters is the workload's.
    var options: SimulatedFleetOptions

    /// `live` is the manifest that was served while the workload was recorded.
    @MainActor
    func prediction(
        live: LoadedManifest, candidate: LoadedManifest
    ) throws(HostError) -> EffectPrediction {
        EffectPrediction(workload, live: try fleet(of: live), candidate: try fleet(of: candidate))
    }

    @MainActor
    private func fleet(of loaded: LoadedManifest) throws(HostError) -> PredictedFleet {
        var options = options
        options.adapters = workload.adapters
        var setup = try options.setup(for: loaded.manifest)
        setup.costs = costs
        // The replicas of a host share its memory.
        setup.sharesAdapters = true
        let policies = try options.policies(PolicyAssembly(loaded), replicas: setup.replicas)
        return PredictedFleet(setup, policies: policies)
    }
}

extension SimulatedCosts {
    /// A preset, or a file of JSON.
    static func reading(_ costs: String) throws(WorkloadError) -> SimulatedCosts {
        if let preset = SimulatedCosts(preset: costs) { return preset }
        let path = WorkingFolder.absolute(costs)
        guard let contents = FileManager.default.contents(atPath: path) else {
            throw WorkloadError(
                "it cannot be read: --costs is a JSON file or one of "
                    + SimulatedCosts.presets.joined(separator: ", "), file: path)
        }
        do {
            return try SimulatedCosts(JSONValue(parsing: Array(contents)))
        } catch let error as JSONSyntaxError {
            throw WorkloadError(error.message, file: path, line: error.line)
        } catch {
            throw WorkloadError("\(error)", file: path)
        }
    }

    /// What a running host has fitted; `nil` while it has measured too little.
    init?(of status: HostStatus) {
        let fits = status.replicas.map(\.costs)
        guard let costs = fits.max(by: { $0.observations < $1.observations }) else { return nil }
        self.init(fitted: CostEstimates(costs))
    }
}

extension CostEstimates {
    fileprivate init(_ costs: HostStatus.Costs) {
        func term(_ term: CostTerm) -> Double { costs.terms[term.rawValue] ?? 0 }
        self.init()
        observations = costs.observations
        relativeError = costs.relativeError
        perStep = term(.step)
        perPromptToken = term(.promptToken)
        perDecodeToken = term(.decodeToken)
        perAttendedToken = term(.attendedToken)
        perRankToken = term(.rankToken)
        perDistinctRank = term(.distinctRank)
        perMergedStep = term(.mergedStep)
        mergeTime = costs.mergeSeconds.map { .seconds($0) }
        loadSecondsPerByte = costs.loadSecondsPerByte
        outputShare = costs.outputShare
    }
}
