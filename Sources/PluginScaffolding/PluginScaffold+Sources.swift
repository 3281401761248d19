// SPDX-License-Identifier: Apache-2.0

import PolicyKit

// The Swift files of a new package.
extension PluginScaffold {
    var packageText: String {
        """
        // swift-tools-version: 6.2
        import PackageDescription

        // Burrow's repository, for PolicyKit and its conformance kit; \(PolicySDK.variable) in the
        // environment says where it is on another machine.
        let sdk = Context.environment["\(PolicySDK.variable)"] ?? \(Self.literal(sdk.path))
        let policyKit: Target.Dependency = .product(name: "PolicyKit", package: "PolicyKit")

        let package = Package(
            name: "\(name.type)",
            products: [
                .library(name: "\(name.swiftName)", type: .dynamic, targets: ["\(name.swiftName)"])
            ],
            dependencies: [
                .package(path: "\\(sdk)/Sources/PolicyKit"),
                .package(path: "\\(sdk)/Sources/PolicyKitTesting"),
            ],
            targets: [
                .target(name: "\(name.swiftName)", dependencies: [policyKit]),
                .testTarget(
                    name: "\(name.swiftName)Tests",
                    dependencies: [
                        "\(name.swiftName)", policyKit,
                        .product(name: "PolicyKitTesting", package: "PolicyKitTesting"),
                    ]),
            ]
        )

        """
    }

    var sourceText: String {
        """
        import PolicyKit

        // These two declarations make the library a plugin. The host reads the header before it
        // loads the library: a mark, the header's size, and the number of the plugin interface.
        @section("burrow_plugin") @used
        let burrowPluginHeader: (UInt64, UInt32, UInt32) = (
            0x\(String(policyPluginMagic, radix: 16)), 16, \(policyKitInterface)
        )

        @c(burrow_plugin_export)
        public func burrowPluginExport() -> UnsafeMutableRawPointer {
            PluginExport.retained([\(name.swiftName).self])
        }

        \(template.source(name.swiftName, name.type))
        """
    }

    var testText: String {
        """
        import PolicyKit
        import PolicyKitTesting
        import Testing

        @testable import \(name.swiftName)

        struct \(name.swiftName)Tests {
            /// Every rule of the kind, put to the policy as thousands of random questions.
            @Test(arguments: [1, 2, 3] as [UInt64])
            func itConforms(seed: UInt64) {
                #expect(PolicyConformance(seed: seed).violations(of: \(name.swiftName).self) == [])
            }

            @Test(arguments: [\(template.ends.joined(separator: ", "))] as [ParameterValue])
            func itConformsAtTheEndsOfItsRange(value: ParameterValue) {
                let violations = PolicyConformance(seed: 4).violations(
                    of: \(name.swiftName).self, values: ["\(template.parameter)": value])
                #expect(violations == [])
            }
        \(template.tests(name.swiftName).indented(by: 4))
        }

        """
    }

    /// The text as a Swift string literal.
    static func literal(_ text: String) -> String {
        let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            .replacing("\n", with: "\\n")
        return "\"\(escaped)\""
    }
}

extension String {
    /// With so many spaces before each line that is not empty.
    func indented(by count: Int) -> String {
        let indent = String(repeating: " ", count: count)
        return split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.isEmpty ? "" : indent + $0 }.joined(separator: "\n")
    }
}
