// SPDX-License-Identifier: Apache-2.0

extension RopeConfiguration {
    /// Reads `rope_theta` with `rope_scaling`, or the newer `rope_parameters` that holds both.
    static func decode(_ reader: inout KeyReader) -> RopeConfiguration {
        var rope = RopeConfiguration()
        let outerTheta = reader.value("rope_theta") == nil ? nil : reader.positive("rope_theta")
        var innerThetas: [Double] = []
        var scalings: [Scaling] = []
        for key in ["rope_scaling", "rope_parameters"] {
            guard var nested = reader.nested(key) else { continue }
            if nested.value("rope_theta") != nil {
                innerThetas.append(nested.positive("rope_theta"))
            }
            scalings.append(decodeScaling(&nested))
            reader.adopt(nested)
        }
        let thetas = [outerTheta].compactMap { $0 } + innerThetas
        rope.theta = thetas.first ?? rope.theta
        rope.scaling = scalings.first ?? rope.scaling
        if thetas.contains(where: { $0 != rope.theta }) {
            reader.refuse("rope_theta", .invalidValue, "is given twice with different values")
        }
        if scalings.contains(where: { $0 != rope.scaling }) {
            reader.refuse(
                "rope_scaling", .invalidValue, "contradicts rope_parameters; remove one of them")
        }
        return rope
    }

    private static func decodeScaling(_ reader: inout KeyReader) -> Scaling {
        let names = [reader.string("rope_type"), reader.string("type")].compactMap { $0 }
        let name = names.first ?? "default"
        if names.contains(where: { $0 != name }) {
            reader.refuse("rope_type", .invalidValue, "contradicts type")
        }
        if reader.positive("partial_rotary_factor", fallback: 1) != 1 {
            reader.refuse(
                "partial_rotary_factor", .unsupportedModel,
                "rotating only a part of each head is not implemented")
        }
        let scaling: Scaling
        switch name {
        case "default":
            scaling = .none
        case "linear":
            scaling = .linear(factor: factor(&reader))
        case "llama3":
            scaling = llama3(&reader)
        default:
            reader.refuse(
                "rope_type", .unsupportedModel,
                "rotary embeddings of type \"\(name)\" are not implemented, "
                    + "only default, linear and llama3")
            return .none
        }
        reader.refuseOthers(ignored: [], reasons: [:], code: .unsupportedModel)
        return scaling
    }

    private static func factor(_ reader: inout KeyReader) -> Double {
        let factor = reader.positive("factor")
        if factor < 1 {
            reader.refuse("factor", .invalidValue, "must be at least 1, found \(factor)")
        }
        return factor
    }

    private static func llama3(_ reader: inout KeyReader) -> Scaling {
        let low = reader.positive("low_freq_factor")
        let high = reader.positive("high_freq_factor")
        if reader.problems.isEmpty && high <= low {
            reader.refuse(
                "high_freq_factor", .invalidValue,
                "must be above low_freq_factor (\(low)), found \(high)")
        }
        return .llama3(
            factor: factor(&reader), lowFrequencyFactor: low, highFrequencyFactor: high,
            originalContextLength: reader.count(
                "original_max_position_embeddings", in: 1...ModelLimits.contextLength))
    }
}
