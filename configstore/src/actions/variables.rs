//! Variables.

use datamanager::{Document, Query, Transaction};

use super::place::{self, ValueLevels};
use super::secrets::levels;
use super::{Actions, ValueParent, check_name};
use crate::Error;
use crate::api::{CreateUpdateVariableRequest, Variable, VariableResponse};
use crate::error::{exists, unknown};
use crate::secrets::new_id;
use crate::store::{Reading, VariableDocument};

fn check(request: &CreateUpdateVariableRequest) -> Result<(), Error> {
    check_name(&request.name)?;
    if request.values.is_empty() {
        return Err(Error::bad_request("the variable has no values"));
    }
    Ok(())
}

impl Actions {
    /// The variables of an object by name, and with `tree` also those of the groups above it, level by level up to the root.
    pub(crate) async fn variables(
        &self,
        parent: ValueParent<'_>,
        tree: bool,
    ) -> Result<Vec<VariableResponse>, Error> {
        let mut reader = self.snapshot();
        let levels = levels(&mut reader, parent).await?.levels;
        let mut variables = Vec::new();
        for (parent, path) in levels.iter().take(if tree { usize::MAX } else { 1 }) {
            let query = Query::by("parent_name").equal(parent.key());
            let found = reader.list::<VariableDocument>(&query).await?;
            variables.extend(found.iter().map(|variable| VariableResponse {
                variable: variable.to_api(),
                parent_path: path.clone(),
            }));
        }
        Ok(variables)
    }

    pub(crate) async fn create_variable(
        &self,
        parent: ValueParent<'_>,
        request: &CreateUpdateVariableRequest,
    ) -> Result<Variable, Error> {
        check(request)?;
        self.database
            .write(|mut transaction| async move {
                let levels = levels(&mut transaction, parent).await?;
                check_name_is_free(&mut transaction, &levels, &request.name).await?;
                let variable = VariableDocument {
                    id: new_id(),
                    name: request.name.clone(),
                    parent: levels.parent()?.clone(),
                    values: request.values.clone(),
                };
                transaction.put(&variable)?;
                Ok(variable.to_api())
            })
            .await
    }

    pub(crate) async fn update_variable(
        &self,
        parent: ValueParent<'_>,
        name: &str,
        request: &CreateUpdateVariableRequest,
    ) -> Result<Variable, Error> {
        check(request)?;
        self.database
            .write(|mut transaction| async move {
                let levels = levels(&mut transaction, parent).await?;
                let mut variable = existing(&mut transaction, &levels, name).await?;
                if request.name != variable.name {
                    check_name_is_free(&mut transaction, &levels, &request.name).await?;
                }
                variable.name.clone_from(&request.name);
                variable.values.clone_from(&request.values);
                transaction.put(&variable)?;
                Ok(variable.to_api())
            })
            .await
    }

    pub(crate) async fn delete_variable(
        &self,
        parent: ValueParent<'_>,
        name: &str,
    ) -> Result<(), Error> {
        self.database
            .write(|mut transaction| async move {
                let levels = levels(&mut transaction, parent).await?;
                let variable = existing(&mut transaction, &levels, name).await?;
                transaction.delete::<VariableDocument>(variable.id())?;
                Ok(())
            })
            .await
    }
}

async fn existing(
    transaction: &mut Transaction,
    levels: &ValueLevels,
    name: &str,
) -> Result<VariableDocument, Error> {
    let variable = place::child::<VariableDocument>(transaction, levels.parent()?, name).await?;
    variable.ok_or_else(|| unknown(format!("there is no variable {name:?} here")))
}

async fn check_name_is_free(
    transaction: &mut Transaction,
    levels: &ValueLevels,
    name: &str,
) -> Result<(), Error> {
    match place::child::<VariableDocument>(transaction, levels.parent()?, name).await? {
        Some(_) => Err(exists(format!(
            "a variable with the name {name:?} exists here already"
        ))),
        None => Ok(()),
    }
}
