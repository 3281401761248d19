// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hosting
import ManifestLoading
import PluginLoading
import Simulation

/// What a plan would make of the requests that the host had lately, by the same libraries.
struct PlannedEffect {
    let client: AdminClient
    let fleet: SimulatedFleetOptions

    /// The prediction, or why there is none; a plan is good without one.
    func text(of candidate: ManifestText) -> String {
        do {
            return "predicted, from the requests of the last ten minutes:\n"
                + (try prediction(of: candidate))
        } catch let missing as Missing {
            return "no prediction: \(missing.reason)"
        } catch let error as HostError {
            return "no prediction: \(error.description)"
        } catch {
            return "no prediction: the host has not enough to predict from"
        }
    }

    private struct Missing: Error {
        let reason: String
    }

    private func prediction(of candidate: ManifestText) throws -> String {
        let body = try client.get("/admin/status")
        guard let status = try? JSONDecoder().decode(HostStatus.self, from: body) else {
            throw Missing(reason: "the host is of another version")
        }
        guard let costs = SimulatedCosts(of: status) else {
            throw Missing(reason: "the host has not measured enough to know its costs")
        }
        guard let workload = try RecordWorkload.recentIfAny(from: client) else {
            throw Missing(reason: "the host had no request lately")
        }
        let live = ManifestText(
            Array(try client.get("/admin/manifest")), file: status.manifest ?? candidate.file,
            directory: status.manifestFolder ?? candidate.directory)
        let forecast = EffectForecast(workload: workload, costs: costs, options: fleet)
        let prediction = try MainActor.assumeIsolated { () throws(HostError) in
            var cache = LibraryCache()
            return try forecast.prediction(
                live: try ManifestReader.load(live, cache: &cache),
                candidate: try ManifestReader.load(candidate, cache: &cache))
        }
        return EffectText(prediction: prediction).text
    }
}

extension ReloadReply {
    /// Whether it would be served by other policies.
    var changesPolicies: Bool {
        outcome == .planned && !states.isEmpty
    }
}
