//! How records are defined from lists of fields, each of which has its help: structs in which every field may be left
//! out, and views of the fields that several of them share. What the fields are is not here.

/// Defines structs whose fields are all optional, from lists of fields that several may share.
macro_rules! record {
    (
        $(#[$about:meta])* $name:ident
        $({ $($(#[$help:meta])* $field:ident: $type:ty,)* })+
    ) => {
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        $(#[$about])*
        #[serde(deny_unknown_fields, expecting = "a mapping (lines of `key: value`)")]
        pub struct $name {
            $($(
                $(#[$help])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )*)+
        }
    };
}

/// Defines a view of the fields that several levels share, so that one function reads them all.
macro_rules! view {
    (
        $(#[$about:meta])* $name:ident, $method:ident; $name_mut:ident, $method_mut:ident
        of $($level:ident)+
        { $($(#[$help:meta])* $field:ident: $type:ty,)* }
    ) => {
        /// The same settings, to be written.
        #[derive(Debug)]
        #[expect(missing_docs, reason = "each field is described where it is written")]
        pub struct $name_mut<'a> {
            $(pub $field: &'a mut Option<$type>,)*
        }

        impl $name_mut<'_> {
            /// Writes out what these settings inherit.
            pub fn inherit(self, outer: $name<'_>) {
                $(
                    if self.$field.is_none() {
                        *self.$field = outer.$field.cloned();
                    }
                )*
            }
        }

        $(#[$about])*
        #[derive(Debug, Clone, Copy, Default)]
        #[expect(missing_docs, reason = "each field is described where it is written")]
        pub struct $name<'a> {
            $(pub $field: Option<&'a $type>,)*
        }

        impl<'a> $name<'a> {
            /// These settings, and the enclosing level's where nothing was written.
            pub fn inherit(self, outer: Self) -> Self {
                Self { $($field: self.$field.or(outer.$field),)* }
            }
        }

        shared! { $name, $method, $name_mut, $method_mut of [$($level)+] [$($field)*] }
    };
}

/// The levels' accessors of a view.
macro_rules! shared {
    ($name:ident, $method:ident, $name_mut:ident, $method_mut:ident of [] $fields:tt) => {};
    (
        $name:ident, $method:ident, $name_mut:ident, $method_mut:ident
        of [$level:ident $($rest:ident)*] [$($field:ident)*]
    ) => {
        impl $level {
            /// The settings of this kind that were written here.
            pub fn $method(&self) -> $name<'_> {
                $name { $($field: self.$field.as_ref(),)* }
            }

            /// The same settings, to be written.
            pub fn $method_mut(&mut self) -> $name_mut<'_> {
                $name_mut { $($field: &mut self.$field,)* }
            }
        }
        shared! { $name, $method, $name_mut, $method_mut of [$($rest)*] [$($field)*] }
    };
}

pub(super) use {record, shared, view};
