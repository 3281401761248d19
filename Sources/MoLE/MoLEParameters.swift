// SPDX-License-Identifier: Apache-2.0

package import PolicyKit

/// The tensors of a trained gate, by name; ``MoLESite`` says which.
package struct MoLEParameters: Sendable {
    package var tensors: [String: GateTensor]

    package init(_ tensors: [String: GateTensor]) { self.tensors = tensors }

    /// All zero, with which every expert has the same weight; `features` says how wide what is read
    /// at a point is.
    package init(
        zerosFor configuration: MoLEConfiguration, in mixture: MixtureDescription,
        features: (GatePoint) -> Int
    ) {
        tensors = [:]
        for site in configuration.sites(in: mixture) {
            for name in site.names {
                let listed = configuration.tensors(of: name, features: features(site.point))
                for (name, shape) in listed {
                    tensors[name] = GateTensor(
                        shape: shape, values: Array(repeating: 0, count: shape.reduce(1, *)))
                }
            }
        }
    }

    /// Takes a tensor of a shape out; a dimension that is `nil` may be any.
    ///
    /// - Throws: ``PolicyKit/PolicyError`` where it is missing, of another shape or not finite.
    mutating func take(_ name: String, _ shape: [Int?]) throws(PolicyError) -> GateTensor {
        guard let tensor = tensors.removeValue(forKey: name) else {
            throw PolicyError("the tensor '\(name)' is missing")
        }
        let fits =
            tensor.shape.count == shape.count
            && zip(tensor.shape, shape).allSatisfy { $1 == nil || $0 == $1 }
        // A scalar may be written without any dimension.
        guard fits || (shape == [1] && tensor.shape.isEmpty) else {
            let wanted = shape.map { $0.map { "\($0)" } ?? "any" }.joined(separator: ", ")
            throw PolicyError("the tensor '\(name)' has the shape \(tensor.shape), not [\(wanted)]")
        }
        guard tensor.values.allSatisfy(\.isFinite) else {
            throw PolicyError("the tensor '\(name)' has values that are not finite")
        }
        return tensor
    }
}
