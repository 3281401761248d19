// SPDX-License-Identifier: Apache-2.0

import Foundation
import Hosting
import PolicyKit
import Simulation
import StrictJSON

/// What a calibration has measured, and the costs that were fitted to it.
struct CalibrationResult {
    let calibration: Calibration
    let fit: StepFit

    /// The errors on steps of the host while it served.
    let servedErrors: StepFit.Errors

    /// What a simulation reads.
    let costs: SimulatedCosts

    init(_ calibration: Calibration) {
        self.calibration = calibration
        var costs = SimulatedCosts()
        costs.fitBetween(
            calibration.between.map { MeasuredAmount(amount: $0.tokens, seconds: $0.seconds) })
        costs.fitLoads(
            calibration.loads.map { MeasuredAmount(amount: $0.bytes, seconds: $0.seconds) })
        if let copy = calibration.merges.sorted(by: { $0.seconds < $1.seconds }).middle {
            costs.mergeTime = .seconds(copy.seconds)
            costs.mergedBytes = copy.bytes
            costs.firstMergeTime = calibration.firstMerge.map { .seconds($0.seconds) }
        }
        costs.headShare = min(1, calibration.headShare)
        costs.gap = calibration.gap
        costs.noise = calibration.steps.compactMap(\.spread).sorted().middle ?? 0
        fit = StepFit(
            calibration.steps.map {
                MeasuredStep(
                    work: $0.work, cachedTokens: $0.cachedTokens, seconds: $0.seconds)
            },
            completing: costs)
        let served = calibration.served.map {
            ServedStep(
                work: $0.work, cachedTokens: $0.cachedTokens, seconds: $0.seconds,
                others: $0.others)
        }
        costs = fit.costs
        costs.fitServing(served)
        servedErrors = costs.errors(on: served)
        self.costs = costs
    }

    /// Costs, errors and measurements.
    var json: JSONValue {
        var object = JSONObject()
        _ = object.append("costs", costs.json)
        _ = object.append("errors", Self.json(fit.errors))
        _ = object.append("linearErrors", Self.json(fit.linearErrors))
        _ = object.append("servedErrors", Self.json(servedErrors))
        _ = object.append("replicas", .integer(calibration.replicas))
        _ = object.append("threads", .integer(calibration.threads))
        _ = object.append("adapters", .integer(calibration.adapters))
        _ = object.append("rounds", .integer(calibration.rounds))
        _ = object.append("steps", .array(calibration.steps.map(json)))
        return .object(object)
    }

    private static func json(_ errors: StepFit.Errors) -> JSONValue {
        var object = JSONObject()
        _ = object.append("mean", .number(errors.mean))
        _ = object.append("p90", .number(errors.p90))
        _ = object.append("steps", .integer(errors.steps))
        return .object(object)
    }

    private func json(_ step: Calibration.Step) -> JSONValue {
        var object = JSONObject()
        for (name, number) in [
            ("promptTokens", step.work.promptTokens), ("decodeTokens", step.work.decodeTokens),
            ("attendedTokens", step.work.attendedTokens), ("rankTokens", step.work.rankTokens),
            ("distinctRanks", step.work.distinctRanks), ("cachedTokens", step.cachedTokens),
        ] {
            _ = object.append(name, .integer(number))
        }
        _ = object.append("isMerged", .boolean(step.work.isMerged))
        _ = object.append("seconds", .number(step.seconds))
        _ = object.append(
            "predicted", .number(costs.seconds(of: step.work, cachedTokens: step.cachedTokens)))
        if let spread = step.spread { _ = object.append("spread", .number(spread)) }
        return .object(object)
    }
}

extension Array {
    /// The one in the middle.
    fileprivate var middle: Element? { isEmpty ? nil : self[count / 2] }
}

extension JSONValue {
    /// As a line of JSON.
    var line: String {
        var writer = JSONWriter()
        writer.value(self)
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}
