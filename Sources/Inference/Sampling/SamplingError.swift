// SPDX-License-Identifier: Apache-2.0

/// Why sampling parameters were refused, or why a token could not be sampled.
package struct SamplingError: Error, Equatable, CustomStringConvertible {
    /// What kind of fault it is.
    package enum Code: String, Sendable, CaseIterable {
        /// A parameter lies outside its range.
        case invalidParameter
        /// The model's logits hold a NaN, or a positive infinity.
        case notFinite
        /// Every token was ruled out, by the model or by the parameters.
        case nothingToSample
    }

    package let code: Code
    /// The parameter under its name in the OpenAI API, if one is at fault.
    package let parameter: String?
    package let message: String

    package init(_ code: Code, parameter: String? = nil, _ message: String) {
        self.code = code
        self.parameter = parameter
        self.message = message
    }

    package var description: String {
        parameter.map { "\($0): \(message)" } ?? message
    }
}
