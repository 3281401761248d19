// SPDX-License-Identifier: Apache-2.0

/// Why a plugin library or a policy in it cannot be used.
package struct PluginError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of refusal, each with its own cure.
    package enum Code: String, CaseIterable, Sendable {
        /// The file or a folder cannot be read.
        case unreadable
        case notELF
        /// Truncated, or its tables contradict one another.
        case damaged
        /// Built for another processor or word size.
        case wrongArchitecture
        /// Has no plugin header: a library of another sort.
        case notAPlugin
        /// Built for another number of the plugin interface.
        case wrongInterface
        case wrongCompiler
        /// Carries a copy of PolicyKit, whose types the host could not tell from strangers.
        case staticPolicyKit
        /// Carries a Swift runtime, to which the host's types are strangers.
        case staticRuntime
        /// Gives a conformance to a type that is not its own, which would change it for everyone.
        case foreignConformance
        case missingLibrary
        case undefinedSymbol
        case missingEntryPoint
        /// The dynamic linker refused for a reason that has no code of its own.
        case notLoadable
        case noPolicies
        /// Name, version, kind or parameters of a policy are not as they must be.
        case invalidDeclaration
        /// Two policies have the same type name.
        case duplicateType
        case unknownType
        /// The policy answers another question than the one it is wanted for.
        case wrongKind
        /// The policy refused its parameters.
        case refusedParameters
        /// The policy cannot run in a process of its own.
        case notIsolable
        /// The private copy of the library cannot be written.
        case stateFolder
    }

    package let code: Code

    /// The path of the library or folder, or the type name of the policy.
    package let subject: String

    /// What is wrong and what to do about it.
    package let message: String

    package var description: String { "\(subject): \(message)" }

    package init(_ code: Code, _ subject: String, _ message: String) {
        self.code = code
        self.subject = subject
        self.message = message
    }
}
