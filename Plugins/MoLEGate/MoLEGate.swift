// SPDX-License-Identifier: Apache-2.0

import MoLE
import PolicyKit

@section("burrow_plugin") @used
let burrowPluginHeader: (UInt64, UInt32, UInt32) = (0x3150_574f_5252_5542, 16, 4)

@c(burrow_plugin_export)
public func burrowPluginExport() -> UnsafeMutableRawPointer {
    PluginExport.retained([MoLEGate.self])
}

/// Weighs experts by a learned gate (MoLE: Wu, Huang and Wei, ICLR 2024), as `burrow train gate`
/// makes it.
final class MoLEGate: GatingPolicy {
    static var descriptor: PolicyDescriptor {
        PolicyDescriptor(
            type: "mole-gate", version: "1.0.0",
            summary:
                "Weighs the experts of a mixture for each token by a gate that was trained for "
                + "them, as MoLE does.")
    }

    private let parameters: Parameters

    init(parameters: Parameters, seed: UInt64) throws(PolicyError) {
        self.parameters = parameters
    }

    var folder: ParameterPath? { parameters.gate.path.isEmpty ? nil : parameters.gate }

    func gate(
        for mixture: MixtureDescription, from sources: any MixtureSources
    ) throws(PolicyError) -> any Gate {
        let (configurationFile, tensorFile) = ("mole_config.json", "mole_gate.safetensors")
        guard let file = try sources.json(configurationFile) else {
            throw PolicyError(missing(configurationFile))
        }
        guard let tensors = try sources.tensors(tensorFile) else {
            throw PolicyError(missing(tensorFile))
        }
        let configuration: MoLEConfiguration
        do throws(PolicyError) {
            configuration = try MoLEConfiguration(file)
        } catch {
            throw PolicyError("\(configurationFile): \(error.description)")
        }
        return try TrainedGate(
            configuration, MoLEParameters(tensors), for: mixture, from: sources)
    }

    private func missing(_ file: String) -> String {
        guard let folder else {
            return "the parameter 'gate' is not set: it names the folder with \(file)"
        }
        return "there is no \(file) in '\(folder.path)': `burrow train gate` writes it"
    }
}
