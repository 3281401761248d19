// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPServing
internal import Logging
internal import ManifestLoading
internal import PolicyKit

/// A mixture of the manifest, whether or not it can be served just now.
nonisolated struct ServedMixture: Sendable {
    let name: String
    /// Names of adapters, in the order of the gate's weights.
    let experts: [String]
    var gating: PolicySelection
    /// Why it is out of service, as a sentence without its end; `nil` where it is served.
    var fault: String?
}

/// What the memory of the executors was divided for.
nonisolated struct GateReserve: Sendable {
    /// Floats of gate state for each token.
    var stateFloats = 0
    /// Whether there is a second cache of keys and values, for the pass of the base model.
    var keepsScalingPass = false

    /// Takes care that there is enough for a mixture.
    mutating func cover(_ mixture: OpenedMixture) {
        stateFloats = max(stateFloats, mixture.stateFloats)
        keepsScalingPass = keepsScalingPass || mixture.needsScalingPass
    }
}

/// Makes the policy that makes a mixture's gate.
typealias GateMaker = (PolicySelection) throws(HostError) -> any GatingPolicy

// A mixture is served as one adapter, made of the generations that its experts have. Where one of
// them is replaced, so is the mixture; requests that run on it end on what they began on.
extension Engine {
    /// The policy that makes the gate of one generation of a mixture, by the code of the generation
    /// of the host that opened it.
    func makeGate(
        of id: AdapterID, _ source: MixtureSource
    ) throws(HostError) -> any GatingPolicy {
        try (gateMakers[id] ?? makeGating)(source.gating)
    }

    /// Makes a mixture of the manifest known.
    ///
    /// - Throws: 503 where no replica has the memory for it.
    func add(_ mixture: OpenedMixture, at created: Int) throws(APIError) {
        let entry = try add(CheckedWeights(mixture), isPinned: false, at: created)
        gateMakers[entry.id] = makeGating
        mixtures[mixture.name] = ServedMixture(
            name: mixture.name, experts: mixture.source.names, gating: mixture.source.gating)
    }

    /// The adapter of this name has been replaced, added or taken out: mixtures with it follow, one
    /// after the other, then `then` is called.
    func renewMixtures(with expert: String, then: @escaping () -> Void) {
        let names = mixtures.values.filter { $0.experts.contains(expert) }.map(\.name).sorted()
        renew(names[...], then: then)
    }

    private func renew(_ names: ArraySlice<String>, then: @escaping () -> Void) {
        guard let name = names.first else { return then() }
        renew(name) { [weak self] in self?.renew(names.dropFirst(), then: then) }
    }

    func renew(_ name: String, then: @escaping () -> Void) {
        guard let mixture = mixtures[name] else { return then() }
        var source = MixtureSource(experts: [], gating: mixture.gating)
        for expert in mixture.experts {
            guard let entry = catalog[expert] else {
                takeOut(name, because: "its expert '\(expert)' is not loaded")
                return then()
            }
            source.experts.append(
                MixtureSource.Expert(
                    name: expert, generation: entry.generation, source: entry.source))
        }
        let gating: any GatingPolicy
        do throws(HostError) {
            gating = try makeGating(mixture.gating)
        } catch {
            takeOut(name, because: error.description)
            return then()
        }
        let ticket = makeReadTicket()
        openings[ticket] = { [weak self] opened in
            self?.take(opened, as: name, madeOf: source, then: then)
        }
        loader.open(source, named: name, gating: gating, ticket: ticket)
    }

    /// A mixture was opened anew, or could not be.
    private func take(
        _ opened: Result<OpenedMixture, AdapterLoadFailure>, as name: String,
        madeOf source: MixtureSource, then: @escaping () -> Void
    ) {
        // An expert may have been replaced once more meanwhile.
        guard source.experts.allSatisfy({ catalog[$0.name]?.generation == $0.generation }) else {
            return renew(name, then: then)
        }
        do {
            let mixture = try opened.get()
            if let lack = lack(for: mixture) {
                takeOut(name, because: lack)
            } else {
                try add(mixture, at: Int(Date().timeIntervalSince1970))
                log.info("mixture '\(name)' is served with the experts as they are now")
            }
        } catch let error as APIError {
            takeOut(name, because: error.message)
        } catch let failure as AdapterLoadFailure {
            takeOut(name, because: failure.message)
        } catch {
            takeOut(name, because: "\(error)")
        }
        then()
    }

    /// What the mixture needs and the executors were not made with.
    func lack(for mixture: OpenedMixture) -> String? {
        if mixture.stateFloats > reserve.stateFloats {
            return "its gate keeps \(mixture.stateFloats) numbers for each token and there is "
                + "memory for \(reserve.stateFloats); start the host anew"
        }
        if mixture.needsScalingPass, !reserve.keepsScalingPass {
            return "its gate reads a pass of the base model, for which no memory was set aside; "
                + "start the host anew"
        }
        return nil
    }

    private func takeOut(_ name: String, because fault: String) {
        log.warning("mixture '\(name)' is out of service: \(fault)")
        mixtures[name]?.fault = fault
        remove(adapter: name)
    }
}
