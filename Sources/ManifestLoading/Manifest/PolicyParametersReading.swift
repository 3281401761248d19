// SPDX-License-Identifier: Apache-2.0

import PolicyKit
import Spelling

extension Place {
    /// Reads `parameters` of the instance here against what its type declares.
    ///
    /// An unknown type is reported; its parameters cannot be read.
    func parameters(
        ofType type: Located<String>, _ reading: inout Reading
    ) -> [String: ParameterValue] {
        guard let position = type.position else { return [:] }
        guard let policy = reading.policies.first(where: { $0.type == type.value }) else {
            let types = reading.policies.map(\.type).sorted()
            let meant = nearestName(to: type.value, among: types)
            let known = meant == nil ? "; known: \(types.listed)" : ""
            reading.report(
                "no policy has the type '\(type.value)'\(known)", at: position,
                path: path(of: "type"), suggestion: meant)
            return [:]
        }
        guard let place = self["parameters"] else { return [:] }
        return place.parameters(of: policy, &reading)
    }

    private func parameters(
        of policy: KnownPolicy, _ reading: inout Reading
    ) -> [String: ParameterValue] {
        var values: [String: ParameterValue] = [:]
        for entry in entries(&reading) ?? [] {
            if let declared = policy.parameters.first(where: { $0.name == entry.key }) {
                values[entry.key] = child(entry).value(of: declared.type, &reading)
            } else {
                reportUnknown(entry, known: policy.parameters.map(\.name), &reading)
            }
        }
        return values
    }
}
